"""Which field of a dataset's partitions gives them an order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_batchscore.data.periods import Periods

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("values", "when"), [
    ({"year": "2026"}, (2026, 1, 1)),
    ({"m": "2026-03"}, (2026, 3, 1)),
    ({"m": "202603"}, (2026, 3, 1)),
    ({"day": "2026-03-09"}, (2026, 3, 9)),
    ({"day": "20260309"}, (2026, 3, 9)),
    ({"at": "2026-03-09T07"}, (2026, 3, 9, 7)),
    ({"at": "2026030907"}, (2026, 3, 9, 7)),
    ({"year": "2026", "month": "3", "day": "09"}, (2026, 3, 9)),
    ({"Year": "2026", "Month": "03"}, (2026, 3, 1)),
    ({"yyyy": "2026", "mm": "3", "dd": "9", "hh": "7"}, (2026, 3, 9, 7)),
    ({"day": "2026_03_09"}, (2026, 3, 9)),
    ({"week": "2026-W11"}, (2026, 3, 9)),
    ({"quarter": "2026Q3"}, (2026, 7, 1)),
    ({"year": "2026", "store": "x"}, (2026, 1, 1)),
])  # fmt: skip
def test_the_usual_ways_to_write_a_time_are_read(values: dict[str, str], when: tuple[int, ...]) -> None:
    periods = Periods.of([{"device": "7", **values}])
    assert periods is not None
    assert periods.are_times
    assert periods.order({"device": "7", **values}) == datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]
    assert dict(periods.others({"device": "8", **values})) == {
        "device": "8",
        **{k: v for k, v in values.items() if k == "store"},
    }


@pytest.mark.parametrize("value", ["17", "0003", "1234567", "-4", "1767225600000000001"])
def test_other_numbers_are_an_order_without_times(value: str) -> None:
    periods = Periods.of([{"region": "eu", "batch": value}])
    assert periods is not None
    assert (periods.are_times, periods.fields, periods.order({"batch": value})) == (False, ("batch",), int(value))


@pytest.mark.parametrize(
    "each", [[], [{"region": "eu"}], [{"day": "2026-02-30"}], [{"day": "26-02-03"}], [{"day": "1_000"}]]
)
def test_names_have_no_order(each: list[dict[str, str]]) -> None:
    assert Periods.of(each) is None


def test_a_few_odd_partitions_do_not_count() -> None:
    days = [{"day": f"2026-03-{n:02d}"} for n in range(1, 20)]
    periods = Periods.of([{"day": "latest"}, *days])
    assert periods is not None
    assert (periods.are_times, periods.fields) == (True, ("day",))
    assert [periods.has_order(values) for values in (*days[:2], {"day": "latest"}, {"other": "1"})] == [True] * 2 + [
        False
    ] * 2
    assert Periods.of([{"day": "latest"}, *days[:5]]) is None


@pytest.mark.parametrize("strange", ["20260101123456", "9" * 400, "0", "-1", "\u0662", "1e9", ""])
def test_a_folder_with_a_strange_name_has_no_place_among_the_others(strange: str) -> None:
    months = [{"year": "2026", "month": f"{n:02}"} for n in range(1, 13)]
    for values in ({"year": strange, "month": "1"}, {"year": "2026", "month": strange}):
        periods = Periods.of([values, *months])
        assert periods is not None
        assert [periods.has_order(each) for each in (values, months[0])] == [False, True]
    numbers = Periods.of([{"batch": "9" * 400}, *({"batch": str(n)} for n in range(20))])
    assert numbers is not None
    assert not numbers.has_order({"batch": "9" * 400})
