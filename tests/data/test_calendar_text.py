from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_batchscore.data.calendar_text import begins, is_time, parts_of, read_time, within
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("first", "others"),
    [
        ("2026-01-30", ["2026-01-31", "2026-02-01"]),
        ("20240228", ["20240229", "20240301"]),
        ("2026_12_31", ["2027_01_01"]),
        ("2026-11", ["2026-12", "2027-01"]),
        ("202611", ["202612", "202701"]),
        ("2020-W52", ["2020-W53", "2021-W01"]),
        ("2021w52", ["2022w01"]),
        ("2026-Q4", ["2027-Q1"]),
        ("2026-01-31T23", ["2026-02-01T00"]),
        ("20260131T23", ["20260201T00"]),
        ("2026-01-31-23", ["2026-02-01-00"]),
        ("2026", ["2027"]),
    ],
)
def test_what_follows_is_written_in_the_same_form(first: str, others: list[str]) -> None:
    time = read_time(first)
    assert time is not None
    assert [time.at(time.number + place) for place in range(len(others) + 1)] == [first, *others]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-13", "there is no month 2026-13: months are 01 to 12"),
        ("2026-02-31", "there is no day 2026-02-31: 2026-02 has 28 days"),
        ("2026-13-01", "months are 01 to 12"),
        ("2025-W53", "2025 has the weeks W01 to W52"),
        ("9999-W52", "9999 has the weeks W01 to W51"),
        ("2026-Q5", "quarters are Q1 to Q4"),
        ("2026-01-01T24", "hours are 00 to 23"),
        ("0000-01", "years begin with 0001"),
        ("0000", "years begin with 0001"),
    ],
)
def test_a_time_that_no_calendar_has_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_time(text)


@pytest.mark.parametrize("text", ["", "x", "2026-1", "26-01-01", "2026-01_02", "2026/01", "\u0662\u0660\u0662\u0666"])
def test_other_texts_are_no_times(text: str) -> None:
    assert read_time(text) is None


def test_digits_are_times_only_in_years_that_data_has() -> None:
    assert [digits for digits in ("202612", "20260228", "2026022823") if not is_time(digits)] == []
    assert not any(map(is_time, ("202613", "20260229", "2026022824", "123456", "10000101", "2026", "2026-01")))


def test_weeks_are_days_from_monday_to_sunday_and_quarters_are_months() -> None:
    week, quarter = read_time("2026-W01"), read_time("2026-Q4")
    assert week is not None
    assert quarter is not None
    unit, first, last = within("week", week.number, week.number)
    assert (unit, parts_of(unit, first), parts_of(unit, last)) == ("day", (2025, 12, 29), (2026, 1, 4))
    unit, first, last = within("quarter", quarter.number, quarter.number)
    assert (unit, parts_of(unit, first), parts_of(unit, last)) == ("month", (2026, 10), (2026, 12))


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("2026", datetime(2026, 1, 1)),
        ("2026-Q3", datetime(2026, 7, 1)),
        ("2021-W01", datetime(2021, 1, 4)),
        ("2026_01_30", datetime(2026, 1, 30)),
        ("2026-01-30T22", datetime(2026, 1, 30, 22)),
    ],
)
def test_a_unit_begins_at_midnight_utc_of_its_first_day(text: str, begin: datetime) -> None:
    time = read_time(text)
    assert time is not None
    assert begins(time.unit, time.number) == begin.replace(tzinfo=UTC).timestamp()
