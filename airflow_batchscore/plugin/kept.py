"""What has been worked out of runs that are over, so that a page that is opened again costs little."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

from airflow_batchscore.plugin.run_values import RecentRun

T = TypeVar("T")


class Kept(Generic[T]):
    """A value for each run: kept in this process if the run is over, worked out each time if it is not."""

    def __init__(self, most: int) -> None:
        self._values: LRUCache[RecentRun, T] = LRUCache(most)
        self._lock = Lock()

    def of(
        self, runs: Sequence[RecentRun], work_out: Callable[[list[RecentRun]], dict[RecentRun, T]]
    ) -> dict[RecentRun, T]:
        """The values of these runs.

        Args:
            work_out: the values of those that are not kept, all at once.
        """
        with self._lock:
            known = {run: self._values[run] for run in runs if run in self._values}
        new = work_out([run for run in runs if run not in known])
        with self._lock:
            self._values.update({run: value for run, value in new.items() if run.is_over})
        return known | new
