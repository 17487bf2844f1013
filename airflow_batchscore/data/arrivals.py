"""Sizes and arrivals of partitions against those before them: a surge, a collapse, a late supplier.

The history is the listing itself: files have a size and the time at which they were written. Nothing else is kept.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from airflow_batchscore.data.amounts import in_bytes, in_words
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.partition_by import PartitionBy
from airflow_batchscore.data.pattern import values_of
from airflow_batchscore.data.periods import Periods

#: Fields that partitions share with those before them.
_Group = tuple[tuple[str, str], ...]
#: So many partitions before one are needed to say what is usual, and no more than so many are looked at.
LEAST, MOST = 8, 30
#: A size is unusual only if it is so many times larger or smaller than the median.
_TIMES = 2.0
#: And so many times the usual deviation from it; 1.4826 MAD is the standard deviation of a normal distribution.
_DEVIATIONS = 5.0 * 1.4826
#: A delay is unusual only if it is longer by this share of the usual time between partitions.
_SLACK = 0.1
#: And by a minute: files that were copied in one go arrive a moment apart.
_LEAST_SLACK = 60.0


@dataclass(frozen=True)
class Volume:
    """The size of a partition against that of those before it.

    Attributes:
        times: its size, in medians of theirs.
        is_unusual: whether people should look at it.
        text: in a sentence, for people.
    """

    key: str
    times: float
    is_unusual: bool
    text: str


@dataclass
class _Placed:
    """A partition among those of its group.

    Attributes:
        order: see `Periods.order`.
        arrival: when it was written; None if nobody knows.
        again: whether that was after a partition that follows it.
    """

    partition: Partition
    order: float
    arrival: float | None
    again: bool = False


class Arrivals:
    """What a listing says of each partition's predecessors.

    A predecessor has an earlier time, or a smaller number, in one field, and the same values in all others. Where the
    values of no field are times or numbers, no partition comes before another, and nothing is known. The number of a
    bucket (``user_id % 10``) is no order.

    Args:
        terms: of the dataset: which fields are numbers of buckets.
        like: keys; only partitions that differ from one of them in that field alone are looked at.
    """

    def __init__(
        self, listed: Iterable[Partition], terms: PartitionBy | None = None, like: Iterable[str] | None = None
    ) -> None:
        partitions = list(listed)
        buckets = {term.field for term in terms.terms if term.buckets} if terms else set()
        self._periods = Periods.of(
            [{name: each.values[name] for name in each.values if name not in buckets} for each in partitions]
        )
        self._unordered: list[str] = []
        self._groups: dict[_Group, list[_Placed]] = {}
        if self._periods is None:
            self._unordered = [partition.key for partition in partitions]
            return
        groups = None if like is None else {self._periods.others(values_of(key)) for key in like}
        for partition in partitions:
            group = self._periods.others(partition.values)
            if not self._periods.has_order(partition.values):
                self._unordered.append(partition.key)
            elif groups is None or group in groups:
                placed = _Placed(partition, self._periods.order(partition.values), _arrival(partition))
                self._groups.setdefault(group, []).append(placed)
        for each in self._groups.values():
            each.sort(key=_order)
            earliest = math.inf
            for placed in reversed(each):
                arrival = placed.arrival or math.inf
                placed.again, earliest = earliest < arrival < math.inf, min(earliest, arrival)

    def volumes(self, keys: Collection[str] | None = None) -> list[Volume]:
        """The sizes of these partitions, without those that have fewer than `LEAST` before them.

        Args:
            keys: None for the newest partition of each group.
        """
        found = []
        for group, at in self._chosen(keys):
            before = group[max(0, at - MOST) : at]
            if len(before) >= LEAST:
                found.append(_volume(group[at].partition, [each.partition.size for each in before]))
        return found

    def unmeasured(self, keys: Collection[str] | None = None) -> list[str]:
        """Which of these partitions `volumes` leaves out."""
        few = [group[at].partition.key for group, at in self._chosen(keys) if min(at, MOST) < LEAST]
        return [*few, *(key for key in self._unordered if keys is None or key in keys)]

    def late(self, keys: Collection[str] | None = None) -> dict[str, str]:
        """Which of these partitions arrived later than usual: key -> a sentence; see `volumes`.

        One that was written after a partition that follows it was probably sent again, with corrections: nobody knows
        when it first came, and it is not told.
        """
        found = {}
        for group, at in self._chosen(keys):
            placed, key = group[at], group[at].partition.key
            text = self._late(group[max(0, at - MOST - 1) : at], placed.order, placed.arrival)
            if text and not placed.again:
                found[key] = f"partition {key} arrived late: {text}"
        return found

    def _chosen(self, keys: Collection[str] | None) -> Iterator[tuple[Sequence[_Placed], int]]:
        """Groups, and the place of a partition in its group."""
        for group in self._groups.values():
            if keys is None:
                yield group, len(group) - 1
            else:
                yield from ((group, at) for at, placed in enumerate(group) if placed.partition.key in keys)

    def overdue(self, missing: Sequence[str], now: float) -> list[str]:
        """Which of the partitions that are not there should be, in sentences.

        Args:
            now: seconds since 1970.
        """
        found: list[str] = []
        if self._periods is None:
            return found
        for key in missing:
            values = values_of(key)
            if not self._periods.has_order(values):
                continue
            group, order = self._groups.get(self._periods.others(values), []), self._periods.order(values)
            at = bisect_left(group, order, key=_order)
            if text := self._late(group[max(0, at - MOST - 1) : at], order, now):
                found.append(f"partition {key} is late: {text}")
        return found

    def _late(self, recent: Sequence[_Placed], order: float, arrived: float | None) -> str | None:
        """A sentence if one with this order, after these before it, arrived late."""
        assert self._periods is not None, "there are groups"
        arrivals = [each.arrival for each in recent if each.arrival is not None]
        if arrived is None or len(recent) <= LEAST or len(arrivals) < len(recent):
            return None
        if self._periods.are_times:
            starts = [each.order for each in recent]
            delays = [there - start for there, start in zip(arrivals, starts, strict=True)]
            delay, between, since = arrived - order, _steps(starts), "the beginning of its period"
        else:
            delays = _steps(arrivals)
            delay, between, since = arrived - arrivals[-1], delays, "the one before it"
        usual, most = statistics.median(delays), sorted(delays)[-2]
        spread = statistics.median(abs(each - usual) for each in delays)
        slack = max(_DEVIATIONS * spread, _SLACK * statistics.median(between), _LEAST_SLACK)
        if delay <= max(usual + slack, most):
            return None
        return f"{in_words(delay)} after {since}; usually {in_words(usual)} (the {len(delays)} before it)"


def _arrival(partition: Partition) -> float | None:
    """When its last file was written, in seconds since 1970; None if the storage does not say.

    Files that hold rows of many partitions say it of none.
    """
    if partition.by:
        return None
    newest = max((file.mtime_ns for file in partition.files), default=0)
    return newest / 1e9 if newest > 0 else None


def _order(placed: _Placed) -> float:
    return placed.order


def _steps(values: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(values)]


def _volume(partition: Partition, before: Sequence[int]) -> Volume:
    usual = statistics.median(before)
    times = (partition.size + 1) / (usual + 1)
    logs = [math.log(size + 1) for size in before]
    middle, this = statistics.median(logs), math.log(partition.size + 1)
    spread = statistics.median(abs(each - middle) for each in logs)
    # The second most extreme one: a single strange partition does not make the next one usual, weekends do.
    lowest, highest = sorted(before)[1], sorted(before)[-2]
    is_unusual = (
        abs(this - middle) > max(math.log(_TIMES), _DEVIATIONS * spread) and not lowest <= partition.size <= highest
    )
    advice = "rows were sent twice" if times > 1 else "all of it was sent"
    text = (
        f"partition {partition.key} has {in_bytes(partition.size)}, {times:.2g} times the usual {in_bytes(usual)} "
        f"(median of the {len(before)} before it): look whether {advice}"
    )
    return Volume(partition.key, times, is_unusual, text)
