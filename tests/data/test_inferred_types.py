from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_tables import games, source_table
from support import write_csv

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.inferred_types import infer_types, reading_types, sample_types
from airflow_batchscore.errors import InputError

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
        "n": "null",
        "mixed": "string",
        "d": "string",
    }


@pytest.mark.parametrize("how", ["training", "a function"])
def test_a_type_for_a_column_that_no_file_has_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    uri = _csv(tmp_path).uri
    types = {"mixde": "string", "zzz": "int64", "i": "float64", "p": "int64", "_row": "int64"}
    dataset = PartitionedDataset(uri, read_options={"column_types": types})
    for _ in range(2):
        if how == "training":
            infer_types(dataset, dataset.require(), ["i"])
        else:
            sample_types(dataset, dataset.require()[0], ["i"], [])
    assert [record.getMessage() for record in caplog.records] == [
        f"{uri}: read_options column_types names 'mixde' (is it 'mixed'?), 'zzz', which no file that was looked at has"
    ]


def test_a_type_that_was_not_seen_gives_way_to_any_other(tmp_path: Path) -> None:
    for number, cell in enumerate(["", "NA", "2"]):
        write_csv(tmp_path / f"p_{number}.csv", [(1, cell)], ("a", "b"))
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.csv")
    assert infer_types(dataset, dataset.require([0, 1]), ["b"]) == {"b": "null"}
    assert infer_types(dataset, dataset.require(), ["b"]) == {"b": "int64"}
    declared = PartitionedDataset(dataset.uri, read_options={"column_types": {"b": "string"}})
    assert infer_types(declared, declared.require([0]), ["b"]) == {"b": "string"}


def test_short_rows_that_are_padded_have_a_say_in_the_types(tmp_path: Path) -> None:
    (tmp_path / "p_1.csv").write_text("a,b,c\n1,1,1\n2\nx,2\n")
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.csv", read_options={"pad_short_rows": True})
    assert infer_types(dataset, dataset.require(), None) == {"a": "string", "b": "int64", "c": "int64"}


def test_whole_numbers_are_read_as_floats_unless_they_are_keys_or_declared(tmp_path: Path) -> None:
    dataset = _csv(tmp_path)
    raw = infer_types(dataset, dataset.require([1]), ["i", "mixed"])
    assert reading_types(dataset.column_types, raw, ["i", "mixed"], []) == {"i": "float64", "mixed": "float64"}
    assert reading_types(dataset.column_types, raw, ["mixed", "i"], ["i"]) == {"mixed": "float64", "i": "int64"}
    declared = PartitionedDataset(dataset.uri, read_options={"column_types": {"mixed": "int64"}})
    assert reading_types(declared.column_types, raw, ["mixed"], []) == {"mixed": "int64"}


def _parquet(folder: Path, *tables: pa.Table) -> PartitionedDataset:
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"p_{number}.parquet")
    return PartitionedDataset(f"{folder}/p_{{p}}.parquet")


def test_parquet_columns_go_by_their_own_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "u": pa.array([1], pa.uint8()),
            "c": pa.array(["x"]).dictionary_encode(),
            "d": pa.array([date(2026, 1, 2)]),
            "t": pa.array([0], pa.timestamp("ns", "UTC")),
            "m": pa.array([Decimal("1.25")]),
            "w": pa.array([2**64 - 1], pa.uint64()),
        }
    )
    dataset = _parquet(tmp_path, table)
    assert infer_types(dataset, dataset.require(), None) == {
        "u": "int64",
        "c": "string",
        "d": "date32[day]",
        "t": "timestamp[ns, tz=UTC]",
        "m": "decimal128(3, 2)",
        "w": "uint64",
    }
    assert reading_types({}, {"w": "uint64"}, ["w"]) == {"w": "float64"}
    assert reading_types({}, {"w": "uint64"}, ["w"], whole=["w"]) == {"w": "uint64"}


def test_parquet_types_agree_where_one_holds_all_values(tmp_path: Path) -> None:
    dataset = _parquet(
        tmp_path,
        pa.table({"t": pa.array([0], pa.timestamp("ms")), "n": [1], "e": pa.nulls(1)}),
        pa.table({"t": pa.array([0], pa.timestamp("us")), "n": [1.5], "e": ["x"]}),
    )
    assert infer_types(dataset, dataset.require(), None) == {"t": "timestamp[us]", "n": "float64", "e": "string"}


@pytest.mark.parametrize("other", [["1"], [date(2026, 1, 2)], [True], pa.array([0], pa.timestamp("us"))])
def test_parquet_types_that_do_not_go_together_are_refused_with_both_files(tmp_path: Path, other: Any) -> None:
    dataset = _parquet(tmp_path, pa.table({"x": [1]}), pa.table({"x": other}))
    with pytest.raises(InputError, match=r"the column 'x' is int64 in .*p_0\.parquet and .* in .*p_1\.parquet"):
        infer_types(dataset, dataset.require(), None)
    assert infer_types(
        PartitionedDataset(dataset.uri, read_options={"column_types": {"x": "string"}}), dataset.require(), None
    ) == {"x": "string"}


def test_an_index_without_a_name_is_no_column_unless_it_is_named(tmp_path: Path) -> None:
    # An even index is a range to pandas 3, which stores it outside the columns.
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]})
    dataset = _parquet(tmp_path, pa.Table.from_pandas(frame[frame["a"] != 2]))
    assert infer_types(dataset, dataset.require(), None) == {"a": "float64"}
    assert "__index_level_0__" in infer_types(dataset, dataset.require(), ["a", "__index_level_0__"])


def test_a_doubled_column_is_refused_where_it_would_be_read(tmp_path: Path) -> None:
    dataset = _parquet(tmp_path, pa.table([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "a", "b"]))
    with pytest.raises(InputError, match=r"more than one column named \['a'\]"):
        infer_types(dataset, dataset.require(), None)
    assert infer_types(dataset, dataset.require(), ["b"]) == {"b": "int64"}


def test_types_of_divided_rows_are_those_of_all_files_of_the_partitions(tmp_path: Path) -> None:
    from pyiceberg.types import DecimalType

    def priced(number: int, price: str, kind: pa.DataType) -> pa.Table:
        return games(number).append_column("price", pa.array([Decimal(price)] * 10, kind))

    with source_table("iceberg", tmp_path, "day") as table:
        table.append(priced(1, "1.25", pa.decimal128(4, 2)))
        with table.opened().update_schema() as change:
            change.update_column("price", DecimalType(12, 2))
        table.append(priced(2, "12345.25", pa.decimal128(12, 2)))
        for by in ("day", ["day", "id % 2"], "id % 2"):
            dataset = table.dataset(by).fixed()
            found = dataset.discover()
            assert infer_types(dataset, found, ["price"]) == {"price": "decimal128(12, 2)"}
        first = [one for one in table.dataset(["day", "id % 2"]).discover() if one.values["day"] == "2026-04-01"]
        assert infer_types(dataset, first, ["price"]) == {"price": "decimal128(4, 2)"}
