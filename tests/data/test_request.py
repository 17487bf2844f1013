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
        ("shop=berlin/day=1", "shop=.../month=..."),
        ("shop=berlin/shop=kiel", "shop=.../month=..."),
        ("berlin/2025-02", "shop=berlin/month=2025-02"),
        ({"shop": "berlin"}, "shop=.../month=..."),
    ],
)
def test_a_partition_that_lacks_a_field_is_refused_with_an_example(item: Any, example: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_request([item], ["shop", "month"])
    assert str(caught.value).startswith(f"partition {item!r}: the dataset has the fields ['shop', 'month']; ")
    assert str(caught.value).endswith(f"give a value for each: {example}")


@pytest.mark.parametrize(
    ("request_", "years"),
    [
        ("DE, FR, IT", ["DE", "FR", "IT"]),
        ("year=DE, FR", ["DE", "FR"]),
        ("year=DE,FR, year=IT", ["DE", "FR", "IT"]),
        ("2026-01-30..2026-02-01, 2026-02-05", ["2026-01-30", "2026-01-31", "2026-02-01", "2026-02-05"]),
        ("['2026-04..2026-05', '2026-07']", ["2026-04", "2026-05", "2026-07"]),
        ([{"year": "2000..2001"}], ["2000..2001"]),
        ([{"year": "a*"}], ["a*"]),
        (["DE, FR"], ["DE, FR"]),
    ],
)
def test_texts_list_values_and_objects_are_taken_as_they_are(request_: Any, years: list[str]) -> None:
    assert parse_request(request_, ["year"]) == [{"year": year} for year in years]


COUNTRIES = [{"country": country, "year": year} for country in ("DE", "FR", "IT") for year in ("2020", "2021", "2022")]


@pytest.mark.parametrize(
    ("request_", "keys"),
    [
        ("country=DE/year=2020..2021", "DE2020 DE2021"),
        ("year=2021/country=DE", "DE2021"),
        ("country=DE,FR/year=2020", "DE2020 FR2020"),
        ("country=DE/year=2020, country=FR/year=2021..2022", "DE2020 FR2021 FR2022"),
        ("country=*/year=2022", "DE2022 FR2022 IT2022"),
        ("country=?T", "IT2020 IT2021 IT2022"),
        ("year=2019..2020", "DE2020 FR2020 IT2020"),
        ("country=FR", "FR2020 FR2021 FR2022"),
        ("country=FR/year=2021, country=FR", "FR2021 FR2020 FR2022"),
        ("country=%44E/year=2020", "DE2020"),
        ("country=DE,F*/year=2020,2022", "DE2020 DE2022 FR2020 FR2022"),
    ],
)
def test_a_key_says_something_of_each_field_or_leaves_it_open(request_: str, keys: str) -> None:
    wanted = parse_request(request_, ["country", "year"], existing=COUNTRIES)
    assert wanted is not None
    assert " ".join(values["country"] + values["year"] for values in wanted) == keys


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("country=0..9999/year=0..9999", "names 100,000,000 partitions"),
        (",".join(["country=a"] + ["b"] * 60) + "/year=" + ",".join("x" * 60), "names 3,660 partitions"),
        ("2000-01-01..2019-12-31", "give a value for each"),
        ("year=0..9999999999", "names 10,000,000,000 partitions"),
        ("country=*/year=0..9999999999", "names 10,000,000,000 partitions"),
        ("country=1/" * 50_000, "the dataset has the fields"),
        ("country=" + "*" * 1000, "has 1000 letters; 255 are the most"),
    ],
)
def test_keys_are_counted_before_they_are_written_out(request_: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_request(request_, ["country", "year"], most=1000)
    assert len(str(caught.value)) < 1_000


def test_what_a_wildcard_finds_is_limited_too() -> None:
    with pytest.raises(InputError, match="names 9 partitions, of which one request may name 8"):
        parse_request("country=*", ["country", "year"], most=8, existing=COUNTRIES)


def test_half_a_letter_is_refused_as_a_value() -> None:
    with pytest.raises(InputError, match="half of a letter"):
        parse_request(["\ud800"], ["year"])
