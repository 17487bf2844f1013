from __future__ import annotations

import tracemalloc
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
        ([{"month": 1}], "has the fields \\['year'\\].*: year=\\.\\.\\."),
        (["a/b"], "holds a '/'"),
        ([None], "empty"),
        ([".."], r"'\.\.', or holds a '/'"),
        ("year=%2E", r"'\.\.', or holds a '/'"),
        (object(), "neither a list"),
        ([[2014]], "holds a list or an object where a value was expected"),
        ([{"year": {"a": 1}}], "holds a list or an object where a value was expected"),
    ],
)
def test_says_what_is_wrong_with_a_request(request_: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_request(request_, ["year"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("0..9999999999", "names 10,000,000,000 partitions, of which one request may name 1,000; .*max_partitions="),
        (["0..999", "2000000..2000000"], "names 1,001 partitions"),
        (["0..999", "1000..9999999999"], "names 10,000,000,000 partitions"),
        (range(10**10), "names 1,001 partitions"),
        ("1," * 100_000, "names 1,001 partitions"),
        ("0" * 1_000_000 + "..99999", "1000000 digits"),
        ("1.." + "9" * 5_000, "5000 digits"),
        ("[" * 200_000, "cannot be read"),
        ('{"a":' * 200_000, "cannot be read"),
        ("[" + "-" * 200_000 + "1]", "cannot be read"),
        ("[" + "1+" * 200_000 + "1]", "cannot be read"),
        ("[" + "9" * 100_000 + "]", "cannot be read"),
        ("[" * 90 + "]" * 90, "holds a list or an object"),
    ],
)
def test_a_request_of_absurd_size_is_refused_before_it_takes_memory(request_: Any, message: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=message) as caught:
            parse_request(request_, ["year"], most=1000)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 1_000


def test_the_limit_is_of_one_request_and_can_be_raised() -> None:
    assert parse_request("1..3", ["year"], most=3)
    with pytest.raises(InputError, match="names 4 partitions"):
        parse_request("1..4", ["year"], most=3)


@pytest.mark.parametrize(
    ("item", "example"),
    [
        (7, "shop=.../month=..."),
        ("2025-02", "shop=.../month=..."),
        ("shop=berlin", "shop=.../month=..."),
        ("berlin/2025-02", "shop=berlin/month=2025-02"),
        ({"shop": "berlin"}, "shop=.../month=..."),
    ],
)
def test_a_partition_that_lacks_a_field_is_refused_with_an_example(item: Any, example: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_request([item], ["shop", "month"])
    assert str(caught.value).startswith(f"partition {item!r}: the dataset has the fields ['shop', 'month']; ")
    assert str(caught.value).endswith(f"give a value for each: {example}")


def test_half_a_letter_is_refused_as_a_value() -> None:
    with pytest.raises(InputError, match="half of a letter"):
        parse_request(["\ud800"], ["year"])
