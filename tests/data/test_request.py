from __future__ import annotations

from typing import Any

import pytest

from airflow_batchscore.data.request import parse_request
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("request_", "years"),
    [
        ("2000..2002", ["2000", "2001", "2002"]),
        ("08..10", ["08", "09", "10"]),
        ("[2014, 2015]", ["2014", "2015"]),
        ('["2014"]', ["2014"]),
        ("['2014', '2015']", ["2014", "2015"]),
        ("2014, 2015", ["2014", "2015"]),
        ([2014, "2015"], ["2014", "2015"]),
        (["2000..2001", 2005], ["2000", "2001", "2005"]),
        (["[2014, 2015]", "2016"], ["2014", "2015", "2016"]),
        (2015, ["2015"]),
        ("year=2015", ["2015"]),
        ({"year": 2015}, ["2015"]),
        (range(2014, 2016), ["2014", "2015"]),
    ],
)
def test_reads_every_way_to_name_years(request_: Any, years: list[str]) -> None:
    assert parse_request(request_, ["year"]) == [{"year": year} for year in years]


@pytest.mark.parametrize("request_", [None, "", "  ", "None", "null"])
def test_nothing_means_all(request_: Any) -> None:
    assert parse_request(request_, ["year"]) is None


def test_keys_of_several_fields_are_unquoted() -> None:
    wanted = [{"device": "7", "sensor": "t 1"}]
    assert parse_request(["device=7/sensor=t%201"], ["device", "sensor"]) == wanted
    assert parse_request('[{"device": 7, "sensor": "t 1"}]', ["device", "sensor"]) == wanted


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("2016..2000", r"2016\.\.2000 runs backwards; write 2000\.\.2016"),
        ([2014, 2015, "2014"], "more than once: year=2014"),
        ("[2014", "cannot be read"),
        ([{"month": 1}], "has the fields \\['year'\\], not \\['month'\\]"),
        (["a/b"], "empty or holds a '/'"),
        ([None], "empty"),
        (object(), "neither a list"),
    ],
)
def test_says_what_is_wrong_with_a_request(request_: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_request(request_, ["year"])


def test_one_value_for_several_fields_is_refused() -> None:
    with pytest.raises(InputError, match="give a value for each"):
        parse_request([7], ["device", "sensor"])
