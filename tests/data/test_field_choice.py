from __future__ import annotations

import pytest

from airflow_batchscore.data.field_choice import OneValue, Wildcard, read_choice
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("8..10", "8 9 10"),
        ("08..10", "08 09 10"),
        ("dev-8..dev-10", "dev-8 dev-9 dev-10"),
        ("Q1..Q3", "Q1 Q2 Q3"),
        ("2026-W52..2027-W01", "2026-W52 2026-W53 2027-W01"),
        ("2026-Q3 .. 2027-Q1", "2026-Q3 2026-Q4 2027-Q1"),
        ("2026-01-30T22..2026-01-31T01", "2026-01-30T22 2026-01-30T23 2026-01-31T00 2026-01-31T01"),
        ("20260130..20260202", "20260130 20260131 20260201 20260202"),
        ("202612..202701", "202612 202701"),
        ("2026013023..2026013100", "2026013023 2026013100"),
        ("12345678..12345680", "12345678 12345679 12345680"),
        ("2024..2025", "2024 2025"),
    ],
)
def test_a_range_has_the_form_of_its_ends(text: str, values: str) -> None:
    series = read_choice("day", text).series([])
    assert list(series) == values.split()
    assert series.count == len(values.split())


def test_eight_digits_are_days_unless_there_is_one_that_is_none() -> None:
    choice = read_choice("day", "20260130..20260202")
    assert choice.series(["20251231", "latest", "20260131"]).count == 4
    assert choice.series(["20260131", "20260199"]).count == 73
    with pytest.raises(InputError, match=r"20260131\.\.20260231: there is no day 20260231: 2026-02 has 28 days"):
        read_choice("day", "20260131..20260231").series(["20260131"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-13..2026-14", r"the range 2026-13\.\.2026-14: there is no month 2026-13: months are 01 to 12"),
        ("2026-01-30..2026-02-31", "there is no day 2026-02-31: 2026-02 has 28 days"),
        ("2020...2022", r"'2020\.\.\.2022' has more than two dots; write '2020\.\.2022'"),
        ("2022..2020", r"runs backwards; write 2020\.\.2022"),
        ("2026-06..2026-04", r"runs backwards; write 2026-04\.\.2026-06"),
        ("2026-04..", r"lacks its last value; write numbers \(2000"),
        ("..2026-04", "lacks its first value"),
        ("2026-04..2026-06-01", "from 2026-04 to 2026-06-01, a month and a day; write both ends alike"),
        ("2026-04..202606", "months in two forms; write both ends alike"),
        ("2026..2026-06", "a year and a month"),
        ("2026-1..2026-3", r"because of '2026-1': write .* months \(2026-04\.\.2026-06\)"),
        ("1.5..2.5", "cannot be read"),
        ("2026-" + "0" * 300 + "..3", "has 308 letters; 255 are the most"),
    ],
)
def test_a_mistyped_range_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_choice("day", text)


@pytest.mark.parametrize("name", ["a..b", "report..final", "v1..w2", "x"])
def test_a_name_that_is_no_range_is_a_value(name: str) -> None:
    assert read_choice("day", name) == OneValue(name)


@pytest.mark.parametrize(
    ("text", "fitting", "other"),
    [
        ("2026-*", ["2026-", "2026-01"], ["x2026-01", "2025-12"]),
        ("dev-1?", ["dev-10"], ["dev-1", "dev-100"]),
        ("*a*b", ["ab", "xaxbb"], ["ba"]),
        ("[ab]?", ["[ab]x"], ["ax", "bx"]),
        ("*", ["x", "\n"], []),
        ("a%20*", ["a b"], ["a%20b"]),
    ],
)
def test_a_wildcard_stands_for_letters(text: str, fitting: list[str], other: list[str]) -> None:
    choice = read_choice("day", text, encoded="%" in text)
    assert isinstance(choice, Wildcard)
    assert [value for value in [*fitting, *other] if choice.fits(value)] == fitting


def test_a_wildcard_of_many_stars_is_refused_as_fast_as_it_fits() -> None:
    choice = read_choice("day", "*a" * 120 + "*b")
    assert not choice.fits("a" * 255)
