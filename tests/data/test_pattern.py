from __future__ import annotations

import pytest

from airflow_batchscore.data.pattern import UriPattern, listing_root, partition_key, shown, sort_key
from airflow_batchscore.data.request import parse_request
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("template", "uri", "values"),
    [
        ("/d/m_{year}.csv", "/d/m_2015.csv", {"year": "2015"}),
        ("/d/m_{year}.csv", "/d/m_2015.csv.bak", None),
        ("/d/m_{year}.csv", "/d/x/m_2015.csv", None),
        ("s3://b/{device}/{sensor}/r_*.csv", "s3://b/7/t 1/r_9.csv", {"device": "7", "sensor": "t 1"}),
        ("/d/year={year}/", "/d/year=2015/a/b.parquet", {"year": "2015"}),
        ("/d/year={year}/", "/d/year=2015/_SUCCESS", None),
        ("/d/year={year}/", "/d/year=2015/a/.hidden", None),
        ("/d/{y}/m_{y}.csv", "/d/1/m_1.csv", {"y": "1"}),
        ("/d/{y}/m_{y}.csv", "/d/1/m_2.csv", None),
        ("/d/a+b({y}).csv", "/d/a+b(1).csv", {"y": "1"}),
        ("/d/{y}/x.csv", "/d/../x.csv", None),
    ],
)
def test_matches_exactly_the_files_of_the_template(template: str, uri: str, values: dict[str, str] | None) -> None:
    assert UriPattern(template).match(uri) == values


def test_people_see_the_letters_of_a_partition_and_may_write_them() -> None:
    for value, seen in (("k\u00f6ln", "shop=k\u00f6ln"), ("a b%c=", "shop=a b%25c%3D"), ("%C3%B6", "shop=%25C3%25B6")):
        assert shown(partition_key({"shop": value})) == seen
        assert parse_request([seen], ["shop"]) == [{"shop": value}]
    assert shown("shop=%FF%E2%80%AE") == "shop=%FF%E2%80%AE", "neither half a letter nor one that nobody sees"


@pytest.mark.parametrize("value", ["", ".", "..", "../..", "1/../../x", "/etc"])
def test_a_value_never_leads_out_of_the_template(value: str) -> None:
    with pytest.raises(InputError, match="partition y="):
        UriPattern("/d/{y}/x.csv").fill({"y": value})


@pytest.mark.parametrize("template", ["/d/{}.csv", "/d/{0}.csv", "/d/{a.b}.csv", "/d/{y:04d}.csv", "/d/{y", "/d/y}"])
def test_refuses_what_is_not_a_plain_field(template: str) -> None:
    with pytest.raises(InputError, match="uri"):
        UriPattern(template).fields  # noqa: B018 - the property parses


@pytest.mark.parametrize(
    ("uri", "root"),
    [
        ("s3://b/m_{year}.csv", ("s3://b", False)),
        ("s3://b/year={year}/", ("s3://b", True)),
        ("s3://b/year=2015/", ("s3://b/year=2015", True)),
        ("/d/{a}/{b}.csv", ("/d", True)),
        ("/d/1/x_*.csv", ("/d/1", False)),
    ],
)
def test_lists_as_little_as_the_template_allows(uri: str, root: tuple[str, bool]) -> None:
    assert listing_root(uri) == root


@pytest.mark.parametrize(
    ("value", "key"),
    [("2015", "p=2015"), ("a/b", "p=a%2Fb"), ("..", "p=%2E%2E"), ("<script>", "p=%3Cscript%3E"), ("a b", "p=a b")],
)
def test_a_key_is_one_safe_path_segment_a_field(value: str, key: str) -> None:
    assert partition_key({"p": value}) == key


def test_numbers_sort_by_size_and_before_text() -> None:
    values = [{"p": v} for v in ("10", "x", "9", "a")]
    assert [v["p"] for v in sorted(values, key=sort_key)] == ["9", "10", "a", "x"]


@pytest.mark.parametrize(
    ("template", "fields"),
    [
        ("s3://b/year={year}/day={day:[0-9%A-F]+}/*.csv", {"year", "day"}),
        ("s3://b/day={day}/", {"day"}),
        ("s3://b/day={day}", {"day"}),
        ("s3://b/d={day}/x_year={year}/hour={hour}.csv", set()),
        ("s3://b/day={day}{hour}/hour={hour:..}/", {"hour"}),
        ("s3://b/{{day={day}/day={hour}/", set()),
    ],
)
def test_folders_of_hives_kind_are_those_called_like_their_field(template: str, fields: set[str]) -> None:
    assert UriPattern(template).hive_fields == fields
