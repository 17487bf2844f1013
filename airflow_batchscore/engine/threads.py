"""Blocks in threads of the task's own process, and the measurement that tells whether processes would be faster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeVar

A = TypeVar("A")
R = TypeVar("R")

#: Start of worker processes with their imports, until they score as fast as they can.
CLUSTER_SECONDS = 6.0
#: Share of the glances that found the lock taken: next to none for numpy and the like, a third or more for pure Python.
_CONTENDED = 0.15
#: What processes must save; two cores save half of what pure Python takes.
_WORTH_IT = 1.3
_GLANCE_SECONDS = 0.01
_LATE_SECONDS = 0.001
_LEAST_GLANCES = 20
_CLOSE_SECONDS = 3.0


def queued() -> float:
    """Seconds that this thread was ready to run and other work had the processor, as the kernel counts them.

    0 where it counts nothing (``/proc/<pid>/schedstat``; not on every kernel).
    """
    try:
        with open("/proc/thread-self/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


@dataclass(frozen=True)
class _Timing:
    """Of one block: seconds that its thread ran or was queued for a processor, and when it began and ended."""

    busy: float
    began: float
    ended: float


class Probe:
    """Watches the first blocks of a session and says whether the rest would be done sooner in processes.

    Threads share Python's lock. Code that lets go of it (numpy, pyarrow, predict of most libraries) runs on all cores;
    pure Python runs on one. No list of model kinds knows which a recipe is, so it is measured: how often a thread that
    wakes every 10 ms finds the lock taken, and what CPU time a block takes against the time it took among others. Time
    for which other programs had the processors counts in neither: processes would have to wait for them, too.
    """

    def __init__(self, workers: int, threads: int) -> None:
        self._workers = workers
        self._threads = threads
        self._timings: list[_Timing] = []
        self._glances = self._late = 0
        self._over = threading.Event()
        if workers > 1:
            threading.Thread(target=self._watch, name="batchscore-probe", daemon=True).start()

    def _watch(self) -> None:
        waited = queued()
        while not self._over.is_set():
            before = time.monotonic()
            time.sleep(_GLANCE_SECONDS)
            late = time.monotonic() - before - _GLANCE_SECONDS
            already, waited = waited, queued()
            self._glances += 1
            self._late += late - (waited - already) > _LATE_SECONDS

    def stop(self) -> None:
        self._over.set()

    def add(self, timing: _Timing) -> None:
        if not self._over.is_set():
            self._timings.append(timing)
            if len(self._timings) == self._threads:  # the first block of each thread also loads the model
                self._glances = self._late = 0

    def verdict(self, left: int) -> str | None:
        """Why the `left` blocks should go to processes, or None to stay. Asked until the first blocks are measured."""
        measured = len(self._timings) >= 2 * self._threads and self._glances >= _LEAST_GLANCES
        if self._over.is_set() or self._workers == 1 or not measured:
            return None
        self.stop()
        seen = self._timings[self._threads :]
        wall = max(timing.ended for timing in seen) - min(timing.began for timing in seen)
        in_threads = left * wall / len(seen)
        in_processes = left * sum(timing.busy for timing in seen) / len(seen) / self._workers + CLUSTER_SECONDS
        held = self._late / max(self._glances, 1)
        if held < _CONTENDED or in_threads <= _WORTH_IT * in_processes:
            return None
        return (
            f"Python's lock was held {held:.0%} of the time; the {left} blocks left would take about "
            f"{in_threads:.0f} s in threads, {in_processes:.0f} s in processes"
        )


class Pool:
    """Threads that do not keep the process alive: a block that hangs must not outlive a timeout or a kill of its task.

    (Python waits at its exit for the threads of a ``ThreadPoolExecutor``.)
    """

    def __init__(self, threads: int) -> None:
        self._work: SimpleQueue[tuple[Future[Any], Callable[[Any], Any], Any] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, name=f"batchscore-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[[A], R], argument: A) -> Future[R]:
        """``function(argument)`` as soon as a thread is free."""
        future: Future[R] = Future()
        self._work.put((future, function, argument))
        return future

    def close(self) -> None:
        """End the threads; what runs is given a moment to end by itself."""
        for _ in self._threads:
            self._work.put(None)
        end = time.monotonic() + _CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            future, function, argument = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function(argument)
            except BaseException as error:  # the caller's to deal with
                future.set_exception(error)
            else:
                future.set_result(result)
            del item, future, argument  # nothing is kept while the thread waits for more


def run_in_threads(
    pool: Pool,
    function: Callable[..., R],
    arguments: Iterator[tuple[Any, ...]],
    in_flight: int,
    *,
    after_each: Callable[[_Timing], bool],
) -> Iterator[R]:
    """Results of ``function(*a)`` in the order they finish; at most `in_flight` arguments are taken ahead of them.

    Stops taking from `arguments` as soon as `after_each` says so.
    """

    def timed(argument: tuple[Any, ...]) -> tuple[R, _Timing]:
        busy, began = time.thread_time() + queued(), time.monotonic()
        result = function(*argument)
        return result, _Timing(time.thread_time() + queued() - busy, began, time.monotonic())

    running: set[Future[tuple[R, _Timing]]] = {
        pool.submit(timed, argument) for argument in islice(arguments, in_flight)
    }
    try:
        stop = False
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                result, timing = future.result()
                stop = after_each(timing) or stop
                if not stop:
                    running |= {pool.submit(timed, argument) for argument in islice(arguments, 1)}
                yield result
    finally:
        for future in running:
            future.cancel()
