"""Blocks to a Dask scheduler: a few in flight, results as they finish, the first error ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_batchscore.engine.base import WorkerLostError

if TYPE_CHECKING:
    from distributed import Client

    from airflow_batchscore.engine.watch import Watch

R = TypeVar("R")

#: How often a task is run again elsewhere after the worker that held it died.
ALLOWED_WORKER_DEATHS = 2


def run_on(
    client: Client,
    function: Callable[..., R],
    arguments: Sequence[tuple[Any, ...]],
    in_flight: int,
    watch: Watch | None = None,
) -> Iterator[R]:
    """Results of ``function(*a)`` in the order they finish, never more than `in_flight` submitted at once.

    Args:
        watch: asked while nothing finishes.
    """
    waiting = iter(arguments)
    finished: SimpleQueue[Any] = SimpleQueue()
    running: dict[Any, tuple[Any, ...]] = {}

    def submit(argument: tuple[Any, ...]) -> None:
        future = client.submit(function, *argument, pure=False)
        running[future] = argument
        future.add_done_callback(finished.put)

    try:
        for argument in islice(waiting, in_flight):
            submit(argument)
        while running:
            future = _next(finished, watch)
            argument = running.pop(future)
            yield _result(future, argument, watch)
            future.release()
            for following in islice(waiting, 1):
                submit(following)
    finally:
        if running:
            client.cancel(list(running), force=True)


def _next(finished: SimpleQueue[Any], watch: Watch | None) -> Any:
    while True:
        try:
            return finished.get(timeout=watch.seconds if watch else None)
        except Empty:
            assert watch, "there is no time limit without one"
            watch.check()


def _result(future: Any, argument: tuple[Any, ...], watch: Watch | None) -> Any:
    from distributed.scheduler import KilledWorker

    while True:
        try:
            return future.result(timeout=watch.seconds if watch else None)
        except KilledWorker as error:
            name = getattr(argument[-1], "name", repr(argument[-1]))
            raise WorkerLostError(
                f"{name}: the worker died {error.allowed_failures + 1} times while it ran this, most likely for lack "
                "of memory. Give it more memory, or smaller blocks (block_rows)"
            ) from error
        except TimeoutError:
            # The function's own, or that of fetching what it returned.
            if watch is None or future.status == "error":
                raise
            watch.check()
