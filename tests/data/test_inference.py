from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import write_csv

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.inference import infer_types, reading_types

pytestmark = pytest.mark.unit

HEADER = ("i", "f", "s", "t", "n", "mixed", "d")


def _csv(folder: Path) -> PartitionedDataset:
    write_csv(folder / "p_1.csv", [(1, 1.5, "x", "true", "", 1, "2001-02-03"), (2, "", "", "false", "", 2, "")], HEADER)
    write_csv(folder / "p_2.csv", [(3, 2, "y", "true", "", "Q", "2001-02-03")], HEADER)
    return PartitionedDataset(f"{folder}/p_{{p}}.csv")


def test_types_agree_over_all_files(tmp_path: Path) -> None:
    dataset = _csv(tmp_path)
    assert infer_types(dataset, dataset.require(), None) == {
        "i": "int64",
        "f": "float64",
        "s": "string",
        "t": "bool",
        "n": "string",
        "mixed": "string",
        "d": "string",
    }


def test_whole_numbers_are_read_as_floats_unless_they_are_keys_or_declared(tmp_path: Path) -> None:
    dataset = _csv(tmp_path)
    raw = infer_types(dataset, dataset.require([1]), ["i", "mixed"])
    assert reading_types(dataset.column_types, raw, ["i", "mixed"], []) == {"i": "float64", "mixed": "float64"}
    assert reading_types(dataset.column_types, raw, ["mixed", "i"], ["i"]) == {"mixed": "float64", "i": "int64"}
    declared = PartitionedDataset(dataset.uri, read_options={"column_types": {"mixed": "int64"}})
    assert reading_types(declared.column_types, raw, ["mixed"], []) == {"mixed": "int64"}


def test_parquet_types_without_a_name_stay_as_they_are(tmp_path: Path) -> None:
    table = pa.table({"l": [[1]], "u": pa.array([1], pa.uint8()), "c": pa.array(["x"]).dictionary_encode()})
    pq.write_table(table, tmp_path / "p_1.parquet")
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.parquet")
    assert infer_types(dataset, dataset.require(), None) == {"l": None, "u": "int64", "c": "string"}
