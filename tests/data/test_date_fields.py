from __future__ import annotations

import pytest

from airflow_batchscore.data.date_fields import date_fields, read_dates
from airflow_batchscore.data.request import parse_request
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

FIELDS = ["year", "month", "day"]


def _there(*texts: str) -> list[dict[str, str]]:
    return [dict(zip(FIELDS, text.split("/"), strict=True)) for text in texts]


def _wanted(request: str, *existing: str) -> list[str]:
    wanted = parse_request(request, FIELDS, existing=_there(*existing))
    return ["/".join(values.values()) for values in wanted or []]


def test_one_range_asks_for_each_day_as_the_folders_write_it() -> None:
    days = "2026-01-30..2026-02-02"
    padded = ["2026/01/30", "2026/01/31", "2026/02/01", "2026/02/02"]
    assert _wanted(days) == padded
    assert _wanted(days, "2025/12/31", "2026/02/01") == padded
    assert _wanted(days, "2026/1/30") == ["2026/1/30", "2026/1/31", "2026/2/1", "2026/2/2"]
    assert _wanted(days, "2026/2/1") == ["2026/1/30", "2026/1/31", "2026/2/1", "2026/2/2"]
    both = _wanted(days, "2026/2/1", "2026/02/02", "x/y/z")
    assert both == ["2026/01/30", "2026/01/31", "2026/2/1", "2026/02/02"], "each as it is there"


@pytest.mark.parametrize(
    ("request_", "count", "last"),
    [
        ("2026-01-30", 1, "2026/01/30"),
        ("2026-W05", 7, "2026/02/01"),
        ("20260130..20260202", 4, "2026/02/02"),
        ("2026-01-30, 2026-02-03", 2, "2026/02/03"),
        ("2024-02-28..2024-03-01", 3, "2024/03/01"),
    ],
)
def test_other_ways_to_say_days(request_: str, count: int, last: str) -> None:
    wanted = _wanted(request_)
    assert (len(wanted), wanted[-1]) == (count, last)


def test_longer_units_ask_for_the_days_that_there_are() -> None:
    there = ("2026/01/31", "2026/02/01", "2026/02/30", "2026/03/01", "2027/01/01")
    assert _wanted("2026-02..2026-03", *there) == ["2026/02/01", "2026/02/30", "2026/03/01"]
    assert _wanted("2026-Q1", *there) == list(there[:4])
    assert _wanted("2027", *there) == ["2027/01/01"]
    assert _wanted("2026-01", "2026/1/7") == ["2026/1/7"]


def test_quarters_are_months_where_there_are_only_months() -> None:
    wanted = parse_request("2026-Q2..2026-Q3", ["year", "month"])
    assert wanted == [{"year": "2026", "month": f"{month:02}"} for month in range(4, 10)]


def test_hours_go_over_midnight() -> None:
    fields = ["YYYY", "MM", "DD", "HH"]
    wanted = parse_request("2026-01-30T23..2026-01-31T00", fields)
    assert [tuple(values.values()) for values in wanted or []] == [
        ("2026", "01", "30", "23"),
        ("2026", "01", "31", "00"),
    ]


def test_another_field_is_said_beside_the_date_or_left_open() -> None:
    fields = ["country", "year", "month"]
    there = [{"country": country, "year": "2026", "month": "5"} for country in ("DE", "FR")]
    assert parse_request("2026-04..2026-05", fields, existing=there) == there
    assert parse_request("country=F*/2026-05", fields, existing=there) == there[1:]
    assert parse_request("country=DE/2026-04..2026-05", fields, existing=there) == [
        {"country": "DE", "year": "2026", "month": "4"},
        there[0],
    ]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("2026-01-30..2026-02-31", "there is no day 2026-02-31"),
        (
            "2026-01-30T01..2026-01-30T05",
            "names hours, and the dataset has only the fields year, month, day: write days",
        ),
        ("2026-01-30/year=2026", "a date is given, and year=, too"),
        ("0001-01-01..9999-12-31", "names 3,652,059 partitions"),
        ("2026x", "cannot be read"),
    ],
)
def test_a_date_that_is_none_is_refused(request_: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_request(request_, FIELDS)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (["day", "year", "month"], ("year", "month", "day")),
        (["year", "day"], ()),
        (["year"], ()),
        (["month", "day"], ()),
        (["region", "yyyy", "mm", "hour"], ("yyyy", "mm")),
    ],
)
def test_a_date_has_a_year_and_what_follows(fields: list[str], found: tuple[str, ...]) -> None:
    assert date_fields(fields) == found


def test_what_is_no_number_is_no_date() -> None:
    dates = read_dates("2026", ("year", "month"))
    assert [dates.fits({"year": year}) for year in ("2026", "02026", "x", "2027")] == [True, False, False, False]
