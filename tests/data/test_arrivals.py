"""Sizes and arrivals against those before them: what is told, and what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from airflow_batchscore.data.arrivals import LEAST, Arrivals
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.storage import FileInfo

pytestmark = pytest.mark.unit

FIRST = date(2026, 3, 2)  # a Monday
HOUR = 3600.0


def _start(day: int) -> float:
    return datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC).timestamp() + day * 24 * HOUR


def _day(day: int) -> str:
    return (FIRST + timedelta(day)).isoformat()


def _partition(values: Mapping[str, str], size: int = 100_000, arrived: float = 1.0) -> Partition:
    return Partition(dict(values), (FileInfo(f"/in/{'-'.join(values.values())}.csv", size, int(arrived * 1e9)),))


def _days(sizes: Sequence[int] = (), hours: Sequence[float] = (), **others: str) -> list[Partition]:
    """One partition a day, of these sizes, so many hours after its day began."""
    count = max(len(sizes), len(hours))
    each = zip(sizes or [1000] * count, hours or [6.0] * count, strict=True)
    return [
        _partition({**others, "day": _day(n)}, size, _start(n) + hour * HOUR) for n, (size, hour) in enumerate(each)
    ]


def _unusual(partitions: Sequence[Partition]) -> dict[str, str]:
    found = Arrivals(partitions).volumes([partition.key for partition in partitions])
    return {volume.key: volume.text for volume in found if volume.is_unusual}


def _late(partitions: Sequence[Partition]) -> list[str]:
    return list(Arrivals(partitions).late([partition.key for partition in partitions]))


def test_a_surge_and_a_collapse_are_told_in_words() -> None:
    chance = np.random.default_rng(0)
    usual = [int(size) for size in chance.normal(1_500_000, 100_000, 20)]
    assert _unusual(_days(usual)) == {}
    (said,) = _unusual(_days([*usual, 9_000_000])).values()
    assert said.startswith(f"partition day={_day(20)} has 9 MB, ")
    assert "times the usual 1.48 MB" in said
    assert said.endswith("(median of the 20 before it): look whether rows were sent twice")
    (said,) = _unusual(_days([*usual, 0])).values()
    assert "has 0 B, " in said
    assert said.endswith("look whether all of it was sent")


def test_one_strange_day_does_not_hide_the_next_one() -> None:
    sizes = [1000 + n for n in range(20)] + [5000] + [1000, 1001, 1002] + [5000]
    assert list(_unusual(_days(sizes))) == [f"day={_day(20)}", f"day={_day(24)}"]


def test_weekends_and_slow_growth_are_usual() -> None:
    week = [1000, 1010, 990, 1005, 1000, 300, 310]
    weeks = [size + n for n, size in enumerate(week * 6)]
    assert [key for key in _unusual(_days(weeks)) if key >= f"day={_day(21)}"] == []
    assert _unusual(_days([int(1000 * 1.02**n) for n in range(60)])) == {}


def test_sizes_that_always_differ_widely_say_nothing() -> None:
    chance = np.random.default_rng(1)
    assert _unusual(_days([int(size) for size in 10 ** chance.uniform(2, 7, 60)])) == {}


def test_without_enough_history_nothing_is_said() -> None:
    few = _days([1000] * LEAST)
    assert Arrivals(few).volumes([few[-1].key]) == []
    enough = _days([1000] * LEAST + [9000])
    assert len(Arrivals(enough).volumes([enough[-1].key])) == 1
    assert _unusual([_partition({"region": name}, 10**n) for n, name in enumerate(["eu", "us", "asia"] * 4)]) == {}
    assert Arrivals([]).volumes(["day=1"]) == Arrivals([]).overdue(["day=1"], 0) == []


def test_each_device_has_a_history_of_its_own() -> None:
    small, large = _days([1000] * 12, device="1"), _days([90_000] * 12, device="2")
    assert _unusual([*small, *large]) == {}
    assert list(_unusual([*small, *_days([90_000] * 11 + [1000], device="2")])) == [f"device=2/day={_day(11)}"]
    newest = Arrivals([*small, *large]).volumes()
    assert [volume.key for volume in newest] == [f"device=1/day={_day(11)}", f"device=2/day={_day(11)}"]


def test_a_late_arrival_is_told_in_words() -> None:
    hours = [6 + n % 3 / 10 for n in range(20)]
    assert _late(_days(hours=hours)) == []
    assert _late(_days(hours=[*hours, 8.0])) == [], "a tenth of a day later is usual"
    partitions = _days(hours=[*hours, 30.0])
    assert Arrivals(partitions).late([partitions[-1].key]) == {
        f"day={_day(20)}": f"partition day={_day(20)} arrived late: 30 h after the beginning of its period; "
        "usually 6 h 6 min (the 20 before it)"
    }


def test_a_partition_that_was_sent_again_is_not_late() -> None:
    """The only time that storage tells is that of the correction."""
    partitions = _days(hours=[6.0] * 40)
    corrected = partitions[20]
    again = _partition(corrected.values, 1000, _start(35))
    assert _late([*partitions[:20], again, *partitions[21:]]) == []
    numbered = [_partition({"batch": str(n)}, arrived=1000 + 600.0 * n) for n in range(20)]
    assert _late([*numbered[:15], _partition({"batch": "15"}, arrived=99_000), *numbered[16:]]) == []
    assert _late([*partitions[:20], again, partitions[36]]) == [again.key], "those after it came later still"


def test_many_missing_partitions_of_a_long_history_are_looked_up() -> None:
    there = _days(hours=[6.0] * 5_000)
    missing = [f"day={_day(n)}" for n in range(5_000, 10_000)]
    assert len(Arrivals(there, like=missing).overdue(missing, _start(5_010))) == 10


def test_a_history_that_was_copied_at_once_calls_nothing_late() -> None:
    copied = [_partition({"day": _day(n)}, arrived=_start(40)) for n in range(40)]
    assert _late([*copied, _partition({"day": _day(40)}, arrived=_start(40) + 8 * HOUR)]) == []
    unknown = [_partition({"day": _day(n)}, arrived=0) for n in range(40)]
    assert _late(unknown) == []


def test_numbered_partitions_are_late_after_the_usual_gap() -> None:
    each = [_partition({"batch": str(n)}, arrived=1000 + 600.0 * n) for n in range(20)]
    assert _late(each) == []
    late = _partition({"batch": "20"}, arrived=each[-1].files[0].mtime_ns / 1e9 + 6000)
    assert Arrivals([*each, late]).late(["batch=20"]) == {
        "batch=20": "partition batch=20 arrived late: 1 h 40 min after the one before it; usually 10 min "
        "(the 19 before it)"
    }


def test_what_is_missing_is_overdue_once_it_should_be_there() -> None:
    there = _days(hours=[6.0] * 20)
    missing = [f"day={_day(20)}", "day=latest"]
    arrivals = Arrivals(there, like=missing)
    assert arrivals.overdue(missing, _start(20) + 7 * HOUR) == []
    assert arrivals.overdue(missing, _start(20) + 9 * HOUR) == [
        f"partition day={_day(20)} is late: 9 h after the beginning of its period; usually 6 h (the 20 before it)"
    ]
    other = Arrivals(_days(hours=[6.0] * 20, device="7"), like=[f"device=8/day={_day(20)}"])
    assert other.overdue([f"device=8/day={_day(20)}"], _start(30)) == []


@pytest.mark.parametrize("times", [0.5, 2.0])
def test_a_month_is_compared_with_months(times: float) -> None:
    def month(n: int, hours: float, **values: Any) -> Partition:
        begins = datetime(2024 + n // 12, n % 12 + 1, 1, tzinfo=UTC)
        named = {"year": str(begins.year), "month": f"{begins.month:02d}"} if values else {"m": f"{begins:%Y-%m}"}
        return _partition(named, 1000, begins.timestamp() + hours * HOUR)

    for values in ({}, {"parts": True}):
        usual = [month(n, 48 + n % 3, **values) for n in range(20)]
        last = month(20, 24 * 40 * times, **values)
        assert _late([*usual, last]) == [last.key]
