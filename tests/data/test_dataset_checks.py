"""Arguments of a dataset that cannot be: what of a table is said where the DAG is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_batchscore import Delta, Iceberg, PartitionedDataset
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"table": Delta()}, r"say what makes the partitions of a table: partition_by='day'"),
        ({"version": 3}, r"version=3: only a table has versions: give table=Delta\(\) or Iceberg"),
        ({"table": "delta", "partition_by": "day"}, r"table='delta': give Delta\(\) or Iceberg"),
        ({"table": Delta, "partition_by": "day"}, r"table=<class .*: give Delta\(\) or Iceberg"),
        ({"table": {"format": "hudi"}, "partition_by": "day"}, r"table=\{'format': 'hudi'\}: give Delta\(\)"),
        ({"table": Delta(), "partition_by": "day", "format": "csv"}, "the files of a table are Parquet"),
        ({"table": Delta(), "partition_by": "day", "version": 1.5}, "version=1.5: give a number, or text such as"),
        ({"table": Delta(), "partition_by": "day", "version": True}, "version=True: give a number"),
        ({"table": Delta(), "partition_by": "day", "uri": "s3://lake/*"}, "a table is one folder, whose name has no"),
        ({"table": Delta(), "partition_by": "day", "uri": "s3://lake/{x}"}, r"has the fields \['x'\] and"),
        ({"table": Delta(), "partition_by": "day)"}, r"partition_by='day\)' cannot be read"),
        (
            {"table": Delta(), "partition_by": "day", "read_options": {"delimiter": ";"}},
            r"read_options \['delimiter'\] are unknown; there are \['column_types'\]",
        ),
    ],
)
def test_a_wrong_table(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PartitionedDataset(**{"uri": "s3://lake/games", **arguments})


@pytest.mark.parametrize("table", [Delta(), Iceberg("shop.games", "lake", "lake_conn")])
def test_a_table_comes_back_from_json(table: Any) -> None:
    dataset = PartitionedDataset("s3://lake/{{ ds }}", table=table, partition_by=["day"], version="{{ params.v }}")
    assert dataset.fields == ("day",), "known without a look at the table"
    assert PartitionedDataset(**json.loads(json.dumps(dataset.to_dict()))) == dataset


@pytest.mark.parametrize(
    ("by", "options", "message"),
    [
        (
            "user_id % 10",
            {"thousands": ".", "decimal": ","},
            r'=\{"column_types": \{"user_id": "int64"\}\}; of',
        ),
        ("user_id % 10", {"decimal": ","}, r"with decimal=',', the text of 'user_id' does not tell its value"),
        (["c", '"user id" % 5'], {"thousands": " "}, r'\{"user id": "int64"\}\}.*hash\(user id\) % 5'),
        ("a % 2", {"thousands": ",", "column_types": {"a": "string"}}, "buckets, partition_by='hash"),
        (
            "month(Datum)",
            {"thousands": ".", "decimal": ","},
            r'\{"Datum": "timestamp\[us\]"\}, "date_format": "%d.%m.%Y"\}; text like',
        ),
        (
            "day(ts)",
            {"column_types": {"d": "timestamp[us]"}, "date_format": "%d.%m.%Y"},
            r'date_format=.*read_options=\{"column_types": \{"ts": "timestamp\[us\]"\}\}; .*\{"ts": "string"\}',
        ),
    ],
)
@pytest.mark.parametrize("uri", ["/d/games.csv", "/d/games.csv.gz", "/d/games/"])
def test_a_term_does_not_look_at_text_that_only_options_can_read(
    by: Any, options: dict[str, Any], message: str, uri: str
) -> None:
    with pytest.raises(InputError, match=message):
        PartitionedDataset(uri, partition_by=by, read_options={"delimiter": ";", **options})


@pytest.mark.parametrize(
    ("by", "options"),
    [
        ("user_id % 10", {"thousands": ".", "decimal": ",", "column_types": {"user_id": "int64"}}),
        ("user_id % 10", {"decimal": "."}),
        ("_row % 10", {"thousands": ".", "decimal": ","}),
        (["country", "hash(user_id) % 10"], {"thousands": ".", "decimal": ","}),
        (
            "month(d)",
            {"thousands": ".", "decimal": ",", "column_types": {"d": "timestamp[us]"}, "date_format": "%d.%m.%Y"},
        ),
        ("month(d)", {"thousands": ".", "decimal": ",", "column_types": {"d": "string"}}),
        ("month(d)", {"decimal": ","}),
    ],
)
def test_a_term_may_look_at_declared_columns_and_at_text_that_is_plain(by: Any, options: dict[str, Any]) -> None:
    PartitionedDataset("/d/games.csv", partition_by=by, read_options={"delimiter": ";", **options})
    PartitionedDataset("/d/games.parquet", partition_by=by)
