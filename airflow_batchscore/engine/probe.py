"""Measures, while blocks are scored in threads, whether worker processes would be faster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

#: Time for worker processes to start with their imports and reach full scoring speed.
CLUSTER_SECONDS = 6.0
#: Share of checks that found the lock taken: close to none for numpy and the like, a third or more for pure Python.
_CONTENDED = 0.15
#: Threads that share a lock keep about one core busy between them. Those that keep less busy wait for something else.
_ONE_CORE = 0.75
#: Speedup that processes must offer; two cores halve the time of pure Python.
_WORTH_IT = 1.3
_GLANCE_SECONDS = 0.01
_LATE_SECONDS = 0.001
_LEAST_GLANCES = 20


def queued() -> float:
    """Seconds that this thread was ready to run while other work had the processor, as counted by the kernel.

    0 if the kernel does not count them (``/proc/<pid>/schedstat``; not on every kernel).
    """
    try:
        with open("/proc/thread-self/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


@dataclass(frozen=True)
class Timing:
    """For one call: seconds that its thread ran or was queued for a processor, and seconds that it took."""

    busy: float
    seconds: float

    @classmethod
    def start(cls) -> Callable[[], Timing]:
        """Start to time a call of this thread; what is returned ends it."""
        busy, began = time.thread_time() + queued(), time.monotonic()
        return lambda: cls(time.thread_time() + queued() - busy, time.monotonic() - began)


class Probe:
    """Watches the first blocks of a session and decides whether the rest would finish sooner in processes.

    Threads share Python's lock. Code that releases it (numpy, pyarrow, predict of most libraries) runs on all cores;
    pure Python runs on one. No list of model kinds can tell which a recipe is, so it is measured: how often a thread
    that wakes every 10 ms finds the lock taken, and a block's CPU time against the time it took among others. Time
    during which other programs had the processors counts as CPU time: processes would have to wait for them as well.
    On a busy machine the first figure alone misleads, because a thread that holds the lock may itself be queued.
    """

    def __init__(self, workers: int, threads: int) -> None:
        self._workers = workers
        self._threads = threads
        self._timings: list[Timing] = []
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

    def add(self, timing: Timing) -> None:
        if not self._over.is_set():
            self._timings.append(timing)
            if len(self._timings) == self._threads:  # the first block of each thread also loads the model
                self._glances = self._late = 0

    def verdict(self, left: int) -> str | None:
        """Why the `left` blocks should move to processes, or None to stay. Called until enough is measured."""
        measured = len(self._timings) >= 2 * self._threads and self._glances >= _LEAST_GLANCES
        if self._over.is_set() or self._workers == 1 or not measured:
            return None
        self.stop()
        seen = self._timings[self._threads :]
        busy, took = sum(timing.busy for timing in seen), sum(timing.seconds for timing in seen)
        in_threads = left * took / len(seen) / self._threads
        in_processes = left * busy / len(seen) / self._workers + CLUSTER_SECONDS
        held = self._late / max(self._glances, 1)
        waiting = self._threads * busy < _ONE_CORE * took
        if waiting or held < _CONTENDED or in_threads <= _WORTH_IT * in_processes:
            return None
        return (
            f"Python's lock was held {held:.0%} of the time; the {left} blocks left would take about "
            f"{in_threads:.0f} s in threads, {in_processes:.0f} s in processes"
        )
