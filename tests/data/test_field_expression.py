from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_batchscore.data.apart import require_apart
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.pattern import UriPattern, listing_root
from airflow_batchscore.errors import InputError, OutputError
from airflow_batchscore.model.name_template import filled, template_fields

pytestmark = pytest.mark.unit


def test_years_are_told_from_qualifiers_beside_them(tmp_path: Path) -> None:
    """Jeff Sackmann's folder has ``wta_matches_qual_itf_2015.csv`` beside ``wta_matches_2015.csv``."""
    for name in ("2014", "2015", "qual_itf_2015", "20150", "x015"):
        (tmp_path / f"wta_matches_{name}.csv").write_text("a\n1\n")
    if real := os.environ.get("WTA_MATCHES_DIR"):
        (tmp_path / "wta_matches_2016.csv").write_bytes(Path(real, "wta_matches_2016.csv").read_bytes())
    dataset = PartitionedDataset(rf"{tmp_path}/wta_matches_{{year:\d{{4}}}}.csv")
    years = [partition.values["year"] for partition in dataset.discover()]
    assert years[:2] == ["2014", "2015"]
    assert years[2:] == (["2016"] if real else [])
    assert dataset.partition({"year": "2015"}).files[0].uri.endswith("wta_matches_2015.csv")
    with pytest.raises(InputError, match=r"year='qual_itf_2015': the dataset's uri allows only .* \\d\{4\}"):
        dataset.require("qual_itf_2015")
    with pytest.raises(OutputError, match="fits the dataset"):
        require_apart(dataset.uri, [f"{tmp_path}/wta_matches_2020.csv"])
    require_apart(dataset.uri, [f"{tmp_path}/wta_matches_x.csv"])
    assert listing_root(dataset.uri) == (str(tmp_path), False)
    assert filled("s3://m/{year}@c", {"year": "2015"}) == "s3://m/2015@c"
    with pytest.raises(InputError, match=r"write \{year\} alone"):
        template_fields(r"s3://m/{year:\d{4}}@champion")


@pytest.mark.parametrize(
    ("template", "uri", "values"),
    [
        (r"/d/{y:\d{4}}/m_{y}.csv", "/d/2015/m_2015.csv", {"y": "2015"}),
        (r"/d/{y:\d{4}}/m_{y}.csv", "/d/2015/m_2016.csv", None),
        (r"/d/m={m:(jan|feb)}-{d:\d{1,2}}/", "/d/m=feb-3/x/y.csv", {"m": "feb", "d": "3"}),
        ("/d/{a:.+}/", "/d/x/sub/f.parquet", {"a": "x"}),
        ("/d/{a:[^x]+}/", "/d/a/sub/f.parquet", {"a": "a"}),
        ("/d/{a:[+-9]+}.csv", "/d/1/2.csv", None),
        (r"/d/{a:v?\d+(\.\d)?}.csv", "/d/v1.5.csv", {"a": "v1.5"}),
        (r"/d/{a:\d}.csv", "/d/\u0661.csv", None),
        (r"/d/{a:\w+}_*.csv", "/d/a\u00e9_1.csv", {"a": "a\u00e9"}),
        ("/d/{a:(?:x|y)z}.csv", "/d/yz.csv", {"a": "yz"}),
    ],
)
def test_an_expression_limits_a_field_within_its_folder(template: str, uri: str, values: dict[str, str] | None) -> None:
    assert UriPattern(template).match(uri) == values


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("[", r"cannot be read from '\[' on: use letters, \\d"),
        ("[a-z", "cannot be read from"),
        (r"(\d+)+", "repeats a group"),
        (r"(a|b){2}", "repeats a group"),
        (r"\d+*", "repeats what is repeated"),
        (r"\d++", "repeats what is repeated"),
        (r"\d{5000}", "repeats more than 255 times"),
        ("(?=x)", r"a \(\?\.\.\.\) that is not allowed"),
        (r"\1", "cannot be read"),
        ("a/b", "holds a /, which no value does"),
        ("(a", r"has a \( without its \)"),
        ("a)", r"cannot be read from '\)'"),
        ("[z-a]", r"an expression that is not valid \(bad character range"),
        ("^x$", r"cannot be read from '\^'"),
        ("02", r"is a format; two digits are \{y:\\d\{2\}\}"),
        ("04d", "is a format"),
        ("((((a))))", "nested more than 3 deep"),
        ("(a|a)" * 30, "may fit in more than 1000 ways"),
        ("a?" * 30, "may fit in more than 1000 ways"),
        ("a" * 300, "has 300 letters"),
        (r"\w+\w+\w+\w+", "has 4 parts of any length in one name"),
    ],
)
def test_only_the_safe_part_of_the_language_is_allowed(expression: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as caught:
        UriPattern(f"/d/{{y:{expression}}}.csv").fields  # noqa: B018 - the property parses
    assert "the dataset's uri" in str(caught.value)


def test_one_field_has_one_expression() -> None:
    with pytest.raises(InputError, match=r"limits \{y\} in two ways"):
        UriPattern(r"/d/{y:\d{4}}/{y:\d{2}}.csv").fields  # noqa: B018 - the property parses
    assert UriPattern(r"/d/{a:\w+}/{b:\w+}/{c:\w+}/{d:\w+}.csv").fields == ("a", "b", "c", "d")


def test_a_hostile_name_is_refused_at_once() -> None:
    pattern = UriPattern(r"/d/{a:\w*}{b:\w*}{c:\w*}x.csv")
    assert pattern.match("/d/" + "a" * 255 + ".csv") is None


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("/d/{a:[ab]*}{b:[ab]*}{c:[ab]*}c.csv", "ab" * 8000 + ".csv"),
        ("/d/{a:[ab]*}{b:[ab]*}{c:[ab]*}c/", "ab" * 8000 + "/x.csv"),
        ("/d/{a}-{b}-{c}-{d}_{e}.csv", "-" * 4000 + ".csv"),
    ],
)
def test_a_name_that_no_disk_has_is_refused_before_it_takes_hours(template: str, name: str) -> None:
    assert UriPattern(template).match(f"/d/{name}") is None


def test_a_request_for_such_a_name_is_refused_as_quickly() -> None:
    with pytest.raises(InputError, match="allows only values of the form"):
        UriPattern("/d/{a:[ab]*[ab]*[ab]*c}/").fill({"a": "ab" * 8000})


def test_long_names_count_where_they_are_quick_to_read() -> None:
    long = "x" * 600
    assert UriPattern("/d/{a}_{b}.csv").match(f"/d/{long}_1.csv") == {"a": long, "b": "1"}
    assert UriPattern(r"/d/{a:\d+}-{b:\d+}-{c:\d+}/").match(f"/d/1-2-3/{long}.csv") == {"a": "1", "b": "2", "c": "3"}
