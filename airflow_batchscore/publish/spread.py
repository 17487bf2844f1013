"""Spreads the files of a publication over the workers of an engine: the partitions of a folder are independent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from airflow_batchscore.publish.stamp import Publication


class Job(Protocol):
    """One call, small enough to be sent to another machine."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    @property
    def smaller_work(self) -> str:
        """What needs less memory, for the message that a worker was lost; see `WorkerLostError.of`."""
        ...


J = TypeVar("J", bound=Job)
R = TypeVar("R")


def on_workers(publication: Publication, function: Callable[[J], R], jobs: Sequence[J], *, remote: bool) -> Iterator[R]:
    """Yield ``function(job)`` for each job, in any order: on the publication's engine, or here, one after the other.

    A single job never starts an engine. The first error ends the iteration.

    Args:
        remote: the output is in a store; see `Session.run`.
    """
    if publication.engine is None or len(jobs) < 2:
        yield from map(function, jobs)
        return
    with publication.engine.session() as session:
        yield from session.run(function, [(job,) for job in jobs], remote=remote)
