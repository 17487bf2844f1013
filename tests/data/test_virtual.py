"""Row numbers, files and a partition's fields are columns, in every format; the file's own column wins."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from airflow_batchscore.data.blocks import cut, read, require_columns
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.inferred_types import infer_types, sample_types
from airflow_batchscore.data.key_types import key_types
from airflow_batchscore.data.layout import layout_from_json, layout_to_json
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

SUFFIXES = [".csv", ".csv.gz", ".jsonl", ".parquet", ".orc"]
VIRTUAL = ("_row", "_file", "day")


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=40)
    elif path.suffix == ".orc":
        with pa.orc.ORCWriter(path, stripe_size=1024, batch_size=40) as writer:
            writer.write(table)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        text = "".join(",".join(map(str, row)) + "\n" for row in [list(rows[0]), *(row.values() for row in rows)])
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def _two_files(folder: Path, suffix: str) -> tuple[PartitionedDataset, Partition]:
    """Rows 0 to 299 in the first, 300 to 449 in the second."""
    place = folder / "day=2026-04-01%2005%3A00"
    _write(place / f"b{suffix}", [{"n": n, "a": n / 4} for n in range(300, 450)])
    _write(place / f"a{suffix}", [{"n": n, "a": n / 4} for n in range(300)])
    dataset = PartitionedDataset(f"{folder}/day={{day}}/*{suffix}")
    (partition,) = dataset.discover()
    return dataset, partition


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_are_numbered_over_all_files_and_blocks(tmp_path: Path, suffix: str) -> None:
    dataset, partition = _two_files(tmp_path, suffix)
    blocks = cut(dataset, partition, block_rows=50, columns=["n", "_row"], keys=VIRTUAL)
    assert layout_from_json(json.loads(json.dumps(layout_to_json(blocks)))) == blocks
    assert len(blocks) > 2 or suffix == ".csv.gz"
    for block in blocks:
        require_columns(block.source, ["n", *VIRTUAL], partition_key=partition.key)
    batches = [
        batch
        for block in blocks
        for batch in read(dataset, block, {"_row": "float64", "n": "int64"}, dict.fromkeys(VIRTUAL))
    ]
    inputs = pa.concat_tables(batch.table for batch in batches)
    assert inputs.column_names == ["_row", "n"]
    assert inputs["_row"].to_pylist() == inputs["n"].to_pylist() == list(range(450))
    keys = pa.concat_tables(batch.keys for batch in batches)
    assert keys.schema == pa.schema([("_row", pa.int64()), ("_file", pa.string()), ("day", pa.string())])
    assert keys["_row"].to_pylist() == list(range(450))
    assert [Path(uri).name for uri in keys["_file"].to_pylist()] == [f"a{suffix}"] * 300 + [f"b{suffix}"] * 150
    assert set(keys["_file"].to_pylist()) == {file.uri for file in partition.files}
    assert set(keys["day"].to_pylist()) == {"2026-04-01 05:00"}, "as it was before it became the name of a folder"
    sources = list(dict.fromkeys(block.source for block in blocks))
    kinds = key_types(sources, dict.fromkeys(VIRTUAL), {}, partition.key)
    assert kinds == {"_row": "int64", "_file": "string", "day": "string"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_virtual_columns_have_types_where_they_are_named(tmp_path: Path, suffix: str) -> None:
    dataset, partition = _two_files(tmp_path, suffix)
    named = infer_types(dataset, [partition], ["a", "_row", "day"], ["a", "_row", "day"])
    assert named == {"a": "float64", "_row": "int64", "day": "string"}
    assert sample_types(dataset, partition, ["a", "_row"], ["day"])["_row"] == "int64"
    assert set(infer_types(dataset, [partition], None, [])) == {"n", "a"}, "all columns are those of the file"
    assert set(sample_types(dataset, partition, None, ["_row"])) == {"n", "a", "_row"}, "and what is asked for by name"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_column_of_the_file_wins(tmp_path: Path, suffix: str) -> None:
    _write(tmp_path / "day=1" / f"x{suffix}", [{"_row": f"r{n}", "day": "mine"} for n in range(5)])
    dataset = PartitionedDataset(f"{tmp_path}/day={{day}}/")
    (partition,) = dataset.discover()
    blocks = cut(dataset, partition, block_rows=2, keys=VIRTUAL)
    keys = pa.concat_tables(b.keys for block in blocks for b in read(dataset, block, {}, dict.fromkeys(VIRTUAL)))
    assert keys["_row"].to_pylist() == [f"r{n}" for n in range(5)]
    assert set(keys["day"].to_pylist()) == {"mine"}


def test_rows_that_cannot_be_read_count_and_are_named_by_their_number(tmp_path: Path) -> None:
    lines = [f"{n},{'x' if n % 10 == 7 else n}" if n % 25 else f"{n},1,2" for n in range(100)]
    (tmp_path / "d_1.csv").write_text("id,a\n" + "".join(f"{line}\n\n" for line in lines))  # empty lines are no rows
    dataset = PartitionedDataset(f"{tmp_path}/d_{{day}}.csv")
    blocks = cut(dataset, dataset.partition({"day": "1"}), block_rows=9, columns=["a"], keys=["id", "_row", "day"])
    assert len(blocks) > 5
    batches = [
        batch
        for block in blocks
        for batch in read(dataset, block, {"a": "float64"}, {"id": None, "_row": None, "day": None})
    ]
    good = {key["id"]: key["_row"] for batch in batches for key in batch.keys.to_pylist()}
    assert len(good) == 86
    assert all(int(text) == number for text, number in good.items())
    bad = [row for batch in batches for row in batch.bad]
    assert sorted(int(row.raw["_row"] or "") for row in bad) == sorted({*range(7, 100, 10), *range(0, 100, 25)})
    assert {row.raw["day"] for row in bad} == {"1"}


def test_a_field_has_the_declared_type(tmp_path: Path) -> None:
    for day in ("07", "x"):
        _write(tmp_path / f"day={day}" / "x.jsonl", [{"a": 1}])
    dataset = PartitionedDataset(f"{tmp_path}/day={{day}}/", read_options={"column_types": {"day": "int64"}})
    seven, wrong = dataset.discover()
    assert infer_types(dataset, [seven], ["day"], ["day"]) == {"day": "int64"}
    (block,) = cut(dataset, seven, block_rows=10, columns=["day"])
    (batch,) = read(dataset, block, {"day": "int64"})
    assert batch.table["day"].to_pylist() == [7]
    (block,) = cut(dataset, wrong, block_rows=10, columns=["day"])
    with pytest.raises(InputError, match="field 'day' is 'x', which cannot be read as int64: declare another"):
        list(read(dataset, block, {"day": "int64"}))


def test_hives_name_for_no_value_is_no_value(tmp_path: Path) -> None:
    _write(tmp_path / "day=__HIVE_DEFAULT_PARTITION__" / "x.csv", [{"a": 1}])
    dataset = PartitionedDataset(f"{tmp_path}/day={{day}}/")
    (block,) = cut(dataset, dataset.discover()[0], block_rows=10, keys=["day"])
    (batch,) = read(dataset, block, {}, {"day": None})
    assert batch.keys["day"].to_pylist() == [None]


def test_an_empty_file_of_json_lines_has_them_too(tmp_path: Path) -> None:
    (tmp_path / "d_1_a.jsonl").write_text("")
    (tmp_path / "d_1_b.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    dataset = PartitionedDataset(f"{tmp_path}/d_{{day}}_*.jsonl")
    partition = dataset.partition({"day": "1"})
    blocks = cut(dataset, partition, block_rows=10, columns=["a"], keys=["_row"])
    assert key_types([block.source for block in blocks], {"_row": None}, {}, "")["_row"] == "int64"
    batches = [batch for block in blocks for batch in read(dataset, block, {}, {"_row": "int64"})]
    assert [row for batch in batches for row in batch.keys["_row"].to_pylist()] == [0, 1]


def test_the_layout_of_a_job_without_virtual_columns_is_what_it_was(tmp_path: Path) -> None:
    dataset, partition = _two_files(tmp_path, ".csv")
    layout = layout_to_json(cut(dataset, partition, block_rows=50, columns=["a"], keys=["n"]))
    assert "given" not in layout["sources"][0]
    assert {len(block) for block in layout["blocks"]} == {5}


@pytest.mark.parametrize("field", ["{day}", "{day:[-0-9%A-F]+}", "{day:.{20}}"])
def test_the_value_of_a_folder_is_decoded_whether_an_expression_limits_it_or_not(tmp_path: Path, field: str) -> None:
    _two_files(tmp_path, ".csv")
    dataset = PartitionedDataset(f"{tmp_path}/day={field}/*.csv")
    (partition,) = dataset.discover()
    block = cut(dataset, partition, block_rows=1000, columns=["n"], keys=["day"])[0]
    assert dict(block.source.given) == {"day": "2026-04-01 05:00"}
