"""Sizes and arrivals of partitions against those before them: a surge, a collapse, a late supplier.

The history is the listing itself: files have a size and the time at which they were written. Nothing else is kept.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import unquote

from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.pattern import Values
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


class Arrivals:
    """What a listing says of each partition's predecessors.

    A predecessor has an earlier time, or a smaller number, in one field, and the same values in all others. Where the
    values of no field are times or numbers, no partition comes before another, and nothing is known.

    Args:
        like: keys; only partitions that differ from one of them in that field alone are looked at.
    """

    def __init__(self, listed: Iterable[Partition], like: Iterable[str] | None = None) -> None:
        partitions = list(listed)
        self._periods = Periods.of([partition.values for partition in partitions])
        self._groups: dict[_Group, list[Partition]] = {}
        if self._periods is None:
            return
        groups = None if like is None else {self._periods.others(_values(key)) for key in like}
        for partition in partitions:
            group = self._periods.others(partition.values)
            if (groups is None or group in groups) and self._periods.has_order(partition.values):
                self._groups.setdefault(group, []).append(partition)
        for each in self._groups.values():
            each.sort(key=lambda partition: self._order(partition.values))

    def volumes(self, keys: Collection[str] | None = None) -> list[Volume]:
        """The sizes of these partitions, without those that have fewer than `LEAST` before them.

        Args:
            keys: None for the newest partition of each group.
        """
        found = []
        for group, at in self._chosen(keys):
            before = group[max(0, at - MOST) : at]
            if len(before) >= LEAST:
                found.append(_volume(group[at], [each.size for each in before]))
        return found

    def late(self, keys: Collection[str] | None = None) -> dict[str, str]:
        """Which of these partitions arrived later than usual: key -> a sentence; see `volumes`."""
        found = {}
        for group, at in self._chosen(keys):
            partition = group[at]
            if text := self._late(group[max(0, at - MOST - 1) : at], partition.values, _arrival(partition)):
                found[partition.key] = f"partition {partition.key} arrived late: {text}"
        return found

    def _chosen(self, keys: Collection[str] | None) -> Iterator[tuple[Sequence[Partition], int]]:
        """Groups, and the place of a partition in its group."""
        for group in self._groups.values():
            if keys is None:
                yield group, len(group) - 1
            else:
                yield from ((group, at) for at, partition in enumerate(group) if partition.key in keys)

    def overdue(self, missing: Sequence[str], now: float) -> list[str]:
        """Which of the partitions that are not there should be, in sentences.

        Args:
            now: seconds since 1970.
        """
        found: list[str] = []
        if self._periods is None:
            return found
        for key in missing:
            values = _values(key)
            if not self._periods.has_order(values):
                continue
            group = self._groups.get(self._periods.others(values), [])
            before = [each for each in group if self._order(each.values) < self._order(values)]
            if before and (text := self._late(before, values, now)):
                found.append(f"partition {key} is late: {text}")
        return found

    def _order(self, values: Values) -> float:
        assert self._periods is not None, "there are groups"
        return self._periods.order(values)

    def _late(self, before: Sequence[Partition], values: Values, arrived: float | None) -> str | None:
        assert self._periods is not None, "there are groups"
        recent = before[-MOST - 1 :]
        if arrived is None or len(recent) <= LEAST or any(_arrival(each) is None for each in recent):
            return None
        arrivals = [_arrival(each) or 0.0 for each in recent]
        if self._periods.are_times:
            starts = [self._order(each.values) for each in recent]
            delays = [there - start for there, start in zip(arrivals, starts, strict=True)]
            delay, between, since = arrived - self._order(values), _steps(starts), "the beginning of its period"
        else:
            delays = _steps(arrivals)
            delay, between, since = arrived - arrivals[-1], delays, "the one before it"
        usual, most = statistics.median(delays), sorted(delays)[-2]
        spread = statistics.median(abs(each - usual) for each in delays)
        slack = max(_DEVIATIONS * spread, _SLACK * statistics.median(between))
        if delay <= max(usual + slack, most):
            return None
        return f"{_duration(delay)} after {since}; usual are {_duration(usual)} (the {len(delays)} before it)"


def _arrival(partition: Partition) -> float | None:
    """When its last file was written, in seconds since 1970; None if the storage does not say."""
    newest = max((file.mtime_ns for file in partition.files), default=0)
    return newest / 1e9 if newest > 0 else None


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
        f"partition {partition.key} has {_bytes(partition.size)}, {times:.2g} times the usual {_bytes(usual)} (median "
        f"of the {len(before)} before it): look whether {advice}"
    )
    return Volume(partition.key, times, is_unusual, text)


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if abs(seconds) >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _values(key: str) -> Values:
    """The field values of a partition's key."""
    pairs = (part.partition("=") for part in key.split("/"))
    return {unquote(field): unquote(value) for field, _, value in pairs}
