"""`Tally`: what a scoring task has done so far, counted while others look at it."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.quality.accounting import Account

if TYPE_CHECKING:
    from airflow_batchscore.scoring.manifest import BlockResult, Manifest

_SLOWEST = 5


@dataclass(frozen=True)
class SlowBlock:
    """A block that took long; seconds of work on its worker."""

    partition: str
    block: int
    rows: int
    seconds: float


@dataclass(frozen=True)
class Count:
    """A `Tally` at one instant.

    Attributes:
        blocks, blocks_total: scored, of all; the total is an estimate until every partition has begun.
        account: rows so far, with those that were found.
        rows_before: rows read by earlier tries or runs, and found again.
        done: positions of the committed partitions, as ranges: ``[[0, 41], [43, 43]]``.
        current: positions of the partitions in progress.
        slowest: the slowest blocks, slowest first.
        own_blocks: scored since counting began.
        seconds: since counting began.
        first: seconds from then until the first block was scored; None before.
    """

    blocks: int
    blocks_total: int
    account: Account
    rows_before: int
    done: list[list[int]]
    current: list[int]
    slowest: list[SlowBlock]
    own_blocks: int
    seconds: float
    first: float | None

    def start_up(self, workers: int) -> float | None:
        """Seconds that imports, a cluster and the model took before blocks came at the pace that they have now.

        None until each worker has scored its first block, which takes longer than the others: there is no pace yet.
        """
        waves = max(workers, 1)
        if self.first is None or self.own_blocks <= waves:
            return None
        pace = (self.seconds - self.first) / (self.own_blocks - waves)
        return max(self.first - pace * waves, 0.0)


class Tally:
    """Counts the blocks and rows of some partitions. One thread counts, any may look.

    Args:
        partitions: how many there are.
    """

    def __init__(self, partitions: int) -> None:
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._first: float | None = None
        self._waiting = partitions
        self._begun = self._blocks = self._scored = self._own = self._rows_before = 0
        self._account = Account()
        self._done: set[int] = set()
        self._current: set[int] = set()
        self._slowest: list[tuple[float, int, SlowBlock]] = []

    def restart(self) -> None:
        """Nothing of what was counted holds any more: all partitions are scored in another way."""
        with self._lock:
            self._waiting += self._begun
            self._begun = self._blocks = self._scored = self._own = self._rows_before = 0
            self._account, self._done, self._current, self._slowest = Account(), set(), set(), []

    @property
    def blocks_to_come(self) -> int:
        """How many blocks the partitions that have not begun may have."""
        return self._waiting * max(1, self._blocks // max(1, self._begun))

    def found(self, position: int, manifest: Manifest) -> None:
        """A partition was committed before."""
        with self._lock:
            self._begin(len(manifest.blocks), len(manifest.blocks), manifest.account)
            self._done.add(position)

    def began(self, position: int, blocks: int, there: int, account: Account) -> None:
        """A partition has begun; `there` of its blocks, with these rows, are there already."""
        with self._lock:
            self._begin(blocks, there, account)
            self._current.add(position)

    def _begin(self, blocks: int, there: int, account: Account) -> None:
        self._waiting -= 1
        self._begun += 1
        self._blocks += blocks
        self._scored += there
        self._account += account
        self._rows_before += account.rows_read

    def scored(self, key: str, result: BlockResult, seconds: float) -> None:
        """A block of the partition `key` was scored, in `seconds` of work on its worker."""
        with self._lock:
            self._first = self._first or time.monotonic() - self._start
            self._own += 1
            self._scored += 1
            self._account += result.account
            slow = SlowBlock(key, result.index, result.account.rows_read, round(seconds, 6))
            heapq.heappush(self._slowest, (seconds, self._scored, slow))
            if len(self._slowest) > _SLOWEST:
                heapq.heappop(self._slowest)

    def committed(self, position: int) -> None:
        """A partition that had begun was committed."""
        with self._lock:
            self._current.discard(position)
            self._done.add(position)

    def count(self) -> Count:
        """What was counted until now."""
        with self._lock:
            return Count(
                blocks=self._scored,
                blocks_total=self._blocks + self.blocks_to_come,
                account=self._account,
                rows_before=self._rows_before,
                done=_ranges(self._done),
                current=sorted(self._current),
                slowest=[slow for *_, slow in sorted(self._slowest, reverse=True)],
                own_blocks=self._own,
                seconds=time.monotonic() - self._start,
                first=self._first,
            )


def _ranges(positions: Iterable[int]) -> list[list[int]]:
    """First and last of each run of consecutive numbers."""
    ranges: list[list[int]] = []
    for position in sorted(positions):
        if ranges and ranges[-1][1] == position - 1:
            ranges[-1][1] = position
        else:
            ranges.append([position, position])
    return ranges
