"""Sends blocks to a Dask scheduler: a few in flight, results as they finish, the first error stops everything."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_batchscore.engine.base import Arguments, WorkerLostError

if TYPE_CHECKING:
    from distributed import Client, Future

    from airflow_batchscore.engine.watch import Watch

R = TypeVar("R")

#: How often a task is rerun elsewhere after the worker holding it died.
ALLOWED_WORKER_DEATHS = 2


def run_on(
    client: Client,
    function: Callable[..., R],
    arguments: Arguments,
    in_flight: Callable[[], int],
    watch: Watch | None = None,
) -> Generator[R]:
    """Yield results of ``function(*a)`` in the order they finish.

    Args:
        function: on a cluster whose workers can die, one that goes through `call_again`: Dask reruns the tasks of a
            dead worker, and does not tell the next one that it did.
        in_flight: gives the most calls that are submitted at once, each time that some are. Results come first: where
            making arguments takes time, they do not wait until there are as many.
        watch: checked while nothing finishes.
    """
    waiting = iter(arguments)
    finished: SimpleQueue[Future] = SimpleQueue()
    running: dict[Future, tuple[object, ...]] = {}

    def submit() -> None:
        for argument in islice(waiting, in_flight() - len(running)):
            future = client.submit(function, *argument, pure=False)
            running[future] = argument
            future.add_done_callback(finished.put)
            if not finished.empty():
                break

    try:
        submit()
        while running:
            future = _next(finished, watch)
            argument = running.pop(future)
            result = _result(future, argument, watch)
            future.release()
            if len(running) <= in_flight() // 2:  # several at once, which Dask sends in one message
                submit()
            yield result
    finally:
        if running:
            client.cancel(list(running), force=True)


def _next(finished: SimpleQueue[Future], watch: Watch | None) -> Future:
    while True:
        try:
            return finished.get(timeout=watch.seconds if watch else None)
        except Empty:
            assert watch, "there is no time limit without one"
            watch.check()


def _result(future: Future, argument: tuple[object, ...], watch: Watch | None) -> Any:
    from distributed.scheduler import KilledWorker

    while True:
        try:
            return future.result(timeout=watch.seconds if watch else None)
        except KilledWorker as error:
            times = error.allowed_failures + 1
            raise WorkerLostError.of(argument, "the worker", "Give it more memory", times=times) from error
        except TimeoutError:
            # The function's own error, or one from fetching its result.
            if watch is None or future.status == "error":
                raise
            watch.check()
