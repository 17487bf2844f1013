"""Blocks to a Dask scheduler: a few in flight, results as they finish, the first error ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_batchscore.engine.base import WorkerLostError

if TYPE_CHECKING:
    from distributed import Client

R = TypeVar("R")

#: How often a task is run again elsewhere after the worker that held it died.
ALLOWED_WORKER_DEATHS = 2


def run_on(
    client: Client, function: Callable[..., R], arguments: Sequence[tuple[Any, ...]], in_flight: int
) -> Iterator[R]:
    """Results of ``function(*a)`` in the order they finish, never more than `in_flight` submitted at once."""
    from distributed import as_completed

    waiting = iter(arguments)

    def submit(argument: tuple[Any, ...]) -> Any:
        return client.submit(function, *argument, pure=False)

    running = {submit(argument): argument for argument in islice(waiting, in_flight)}
    try:
        finished = as_completed(list(running), loop=client.loop)
        for future in finished:
            argument = running.pop(future)
            yield _result(future, argument)
            future.release()
            for following in islice(waiting, 1):
                again = submit(following)
                running[again] = following
                finished.add(again)
    finally:
        if running:
            client.cancel(list(running), force=True)


def _result(future: Any, argument: tuple[Any, ...]) -> Any:
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        name = getattr(argument[-1], "name", repr(argument[-1]))
        raise WorkerLostError(
            f"{name}: the worker died {error.allowed_failures + 1} times while it ran this, most likely for lack "
            "of memory. Give it more memory, or smaller blocks (block_rows)"
        ) from error
