"""A tally that tells a test of each block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_batchscore.scoring.tally import Count, Tally


class Told(Tally):
    """Calls `tell` after each block, in the thread that scores."""

    def __init__(self, partitions: int, tell: Callable[[Count], object]) -> None:
        super().__init__(partitions)
        self._tell = tell

    def scored(self, *block: Any) -> None:
        super().scored(*block)
        self._tell(self.count())
