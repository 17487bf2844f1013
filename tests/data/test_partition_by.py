"""What `partition_by` accepts, and the fields that it makes."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pytest
from support import ROOT

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.data.partition_by import NO_VALUE, parse_partition_by
from airflow_batchscore.data.pattern import values_of
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("expression", "field", "column"),
    [
        ("country", "country", "country"),
        (" user_id%10 ", "user_id_mod_10", "user_id"),
        ('"user id" % 10', "user_id_mod_10", "user id"),
        ("hash(name) % 100", "name_hash_100", "name"),
        ("HASH( `a-b` )%7", "a_b_hash_7", "a-b"),
        ("month(ts)", "ts_month", "ts"),
        ("_row % 4", "row_mod_4", "_row"),
        ("year", "year", "year"),
        ("größe", "größe", "größe"),
    ],
)
def test_an_expression_makes_a_field_of_a_column(expression: str, field: str, column: str) -> None:
    by = parse_partition_by((expression,))
    assert (by.fields, by.columns) == ((field,), (column,))
    assert PartitionedDataset("/data/x.csv", partition_by=expression).fields == (field,), "nothing is read"


@pytest.mark.parametrize(
    ("expressions", "said"),
    [
        (["a + 1"], "cannot be read: write a column"),
        (["a, b"], r"several are a list, partition_by=\['country', 'year\(ts\)'\]"),
        (["hash(a)"], r"needs a number of buckets, hash\(column\) % 10"),
        (["week(ts)"], "there are the parts year, month, day and hour"),
        (["a % 0"], "takes a number from 1 to 100,000"),
        (["__import__('os').system('true')"], "cannot be read"),
        (["_file"], "give the uri a field instead"),
        (["hash(_row) % 2"], "by their number as _row % 10"),
        (["a", "a"], "a is made twice"),
        ([], "partition_by is empty"),
        ([7], "partition_by holds 7"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_write(expressions: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        PartitionedDataset("/data/x.csv", partition_by=expressions)


def test_fields_in_the_uri_do_not_go_with_it() -> None:
    with pytest.raises(InputError, match=r"has the fields \['year'\] and partition_by='a % 2'; it can have one or"):
        PartitionedDataset("/data/{year}.csv", partition_by="a % 2")
    templated = PartitionedDataset("/data/{{ params.name }}/{year}.csv", partition_by="a % 2")
    assert templated.fields == ("a_mod_2",), "Airflow has yet to render it"


def test_buckets_are_known_without_reading() -> None:
    assert parse_partition_by(("a % 2",)).known == [{"a_mod_2": text} for text in ("0", "1", NO_VALUE)]
    assert parse_partition_by(("_row % 2",)).known == [{"row_mod_2": text} for text in ("0", "1")]
    assert parse_partition_by(("a",)).known is None
    assert parse_partition_by(("a % 2", "b % 2")).known is None


def test_each_row_has_the_number_of_its_partition() -> None:
    by = parse_partition_by(("c", "a % 3"))
    table = pa.table({"c": ["x", "y", None, "x", "x"], "a": [1, 2, 3, 4, 5]})
    wanted = [{"c": NO_VALUE, "a_mod_3": "0"}, {"c": "x", "a_mod_3": "1"}, {"c": "x", "a_mod_3": "0"}]
    assert by.numbers(table, wanted).tolist() == [1, -1, 0, 1, -1]
    assert by.numbers(table.slice(0, 0), wanted).tolist() == []


def test_the_expressions_of_the_page_are_read_as_it_says() -> None:
    page = (ROOT / "docs" / "how-to" / "one-file-many-partitions.md").read_text()
    rows = re.findall(r"^\| (`[\"\[].+) \| .+ \| (`.+`) \|$", page, re.MULTILINE)
    assert len(rows) == 6
    for cell, names in rows:
        given = [json.loads(text) for text in re.findall(r"`(.+?)`", cell)]
        for expressions, name in zip(given, re.findall(r"`(.+?)`", names), strict=True):
            fields = PartitionedDataset("/data/x.csv", partition_by=expressions).fields
            assert fields == tuple(values_of(name)), name


def test_what_is_neither_text_nor_a_list_is_refused() -> None:
    with pytest.raises(InputError, match=r'partition_by=7: give text, "user_id % 10", or a list'):
        PartitionedDataset("/data/x.csv", partition_by=7)  # type: ignore[arg-type]
