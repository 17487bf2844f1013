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
