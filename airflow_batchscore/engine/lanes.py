"""How many dispatches of calls in this process are in flight: as many as go, or one where that is faster."""

from __future__ import annotations

import time

from airflow_batchscore.engine.in_process import MOST_PER_BATCH
from airflow_batchscore.engine.probe import Timing

#: Calls of more CPU time gain from threads, or move to processes.
_SHORT_SECONDS = 0.02
#: Calls of a trial.
_CALLS = 64


class Lanes:
    """Lets calls of few milliseconds be made by one thread at a time, if that makes more of them per second.

    Such a call is mostly Python: it opens files, and checks and writes a few rows. Threads that do this side by side
    hand Python's lock to each other at every file, which can take longer than the work. Calls that wait for a disk, or
    spend their milliseconds in predict, gain from threads nevertheless. So both are tried.

    Args:
        most: dispatches in flight, but for that.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._start()

    def _start(self) -> None:
        self._is_one = self._is_settled = False
        self._passed_over = 0
        self._side_by_side = 0.0
        self._begin()

    def _begin(self) -> None:
        self._calls, self._busy, self._began = 0, 0.0, time.monotonic()

    def now(self) -> int:
        """Dispatches that may be in flight."""
        return 1 if self._is_one else self._most

    def took(self, timing: Timing) -> None:
        """Learn from a call, when its result is there."""
        self._calls += 1
        self._busy += timing.busy
        if self._busy > _CALLS * _SHORT_SECONDS:
            self._start()
        elif self._passed_over:  # it was dispatched with others
            self._passed_over -= 1
            self._begin()
        elif self._is_settled:
            if self._calls == _CALLS:
                self._begin()
        else:
            self._try(time.monotonic() - self._began)

    def _try(self, seconds: float) -> None:
        is_over = self._calls == _CALLS
        if self._is_one:
            is_slower = seconds >= self._side_by_side
            if is_over or is_slower:
                self._is_one, self._is_settled = not is_slower, True
                self._begin()
        elif is_over:
            self._is_one, self._side_by_side, self._passed_over = True, seconds, self._most * MOST_PER_BATCH
            self._begin()
