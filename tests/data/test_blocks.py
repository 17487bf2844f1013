from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import good_rows, write_csv

from airflow_batchscore.data.blocks import (
    Block,
    cut,
    read,
    require_columns,
)
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.layout import layout_from_json, layout_to_json
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

TYPES: dict[str, str | None] = {"id": "int64", "a": "float64", "b": "float64"}


def _dataset(folder: Path, suffix: str, **options: Any) -> PartitionedDataset:
    return PartitionedDataset(f"{folder}/p_{{p}}{suffix}", **options)


def _cut(dataset: PartitionedDataset, rows: int, **options: Any) -> list[Block]:
    return cut(dataset, dataset.partition({"p": "1"}), block_rows=rows, **options)


def _ids(dataset: PartitionedDataset, blocks: list[Block]) -> list[int]:
    return [n for block in blocks for batch in read(dataset, block, TYPES) for n in batch.table["id"].to_pylist()]


@pytest.mark.parametrize("rows", [1, 3, 7, 50, 1000])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_csv_byte_ranges_hold_every_row_once_and_in_order(tmp_path: Path, rows: int, ending: str, last: bool) -> None:
    lines = ["id,a,b,name", *(f"{n},{n}.5,{n % 3},{'x' * (n % 40)}" for n in range(200))]
    (tmp_path / "p_1.csv").write_bytes((ending.join(lines) + (ending if last else "")).encode())
    dataset = _dataset(tmp_path, ".csv")
    blocks = _cut(dataset, rows)
    assert _ids(dataset, blocks) == list(range(200))
    assert len(blocks) > 1 or rows == 1000


def test_a_line_longer_than_a_block_is_read_once(tmp_path: Path) -> None:
    lines = ["id,a,b,name", "0,1,1,x", f"1,1,1,{'y' * 90_000}", "2,1,1,z", *(f"{n},1,1,s" for n in range(3, 60))]
    (tmp_path / "p_1.csv").write_text("\n".join(lines))
    dataset = _dataset(tmp_path, ".csv")
    source = _cut(dataset, 1000)[0].source
    starts = range(source.data_start, source.size, 50)
    blocks = [Block(n, source, start, min(start + 50, source.size)) for n, start in enumerate(starts)]
    assert _ids(dataset, blocks) == list(range(60))


def test_gzip_is_one_stream_and_a_truncated_one_an_error(tmp_path: Path) -> None:
    plain = write_csv(tmp_path / "p_1.csv", good_rows(20_000)).read_bytes()
    packed = gzip.compress(plain)
    (tmp_path / "p_1.csv.gz").write_bytes(packed)
    dataset = _dataset(tmp_path, ".csv.gz")
    assert _ids(dataset, _cut(dataset, 10)) == list(range(20_000))
    (tmp_path / "p_1.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=r"p_1.csv.gz cannot be .*Truncated"):
        _ids(dataset, _cut(dataset, 10))


def test_a_header_alone_has_no_rows_and_an_empty_file_is_an_error(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, ".csv")
    for text in ("id,a,b\n", "id,a,b"):
        (tmp_path / "p_1.csv").write_text(text)
        assert _ids(dataset, _cut(dataset, 10)) == []
        joined = _dataset(tmp_path, ".csv", read_options={"newlines_in_values": True})
        assert _ids(joined, _cut(joined, 10)) == []
    (tmp_path / "p_1.csv").write_text("")
    with pytest.raises(InputError, match="partition p=1: .* is empty"):
        _cut(dataset, 10)


def test_other_encodings_are_read_when_named(tmp_path: Path) -> None:
    for encoding in ("latin-1", "utf-16"):
        (tmp_path / "p_1.csv").write_bytes("id,a,b,name\n1,1,1,Škoda é\n".replace("Š", "S").encode(encoding))
        dataset = _dataset(tmp_path, ".csv", read_options={"encoding": encoding})
        batches = [batch for block in _cut(dataset, 10) for batch in read(dataset, block, {"name": "string"})]
        assert [name for batch in batches for name in batch.table["name"].to_pylist()] == ["Skoda é"]


def _parquet(path: Path, rows: int, group: int) -> None:
    table = pa.table({"id": np.arange(rows), "a": np.arange(rows) / 2, "b": np.arange(rows, dtype="int32")})
    pq.write_table(table, path, row_group_size=group)


@pytest.mark.parametrize(("group", "rows", "blocks"), [(100, 250, 4), (100, 100, 10), (1000, 200, 1), (30, 1000, 1)])
def test_parquet_is_cut_at_row_groups(tmp_path: Path, group: int, rows: int, blocks: int) -> None:
    _parquet(tmp_path / "p_1.parquet", 1000, group)
    dataset = _dataset(tmp_path, ".parquet")
    layout = _cut(dataset, rows)
    assert len(layout) == blocks
    assert _ids(dataset, layout) == list(range(1000))
    assert layout_from_json(layout_to_json(layout)) == layout


def test_parquet_columns_are_cast_to_the_types_of_training_or_refused(tmp_path: Path) -> None:
    _parquet(tmp_path / "p_1.parquet", 10, 10)
    dataset = _dataset(tmp_path, ".parquet")
    (batch,) = read(dataset, _cut(dataset, 10)[0], TYPES)
    assert str(batch.table.schema.field("b").type) == "double"
    pq.write_table(pa.table({"id": [1], "a": ["text"], "b": [1]}), tmp_path / "p_1.parquet")
    with pytest.raises(InputError, match="column 'a' is string, the model was trained on float64"):
        list(read(dataset, _cut(dataset, 10)[0], TYPES))


def test_a_damaged_parquet_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "p_1.parquet"
    _parquet(path, 5000, 1000)
    whole = path.read_bytes()
    dataset = _dataset(tmp_path, ".parquet")
    path.write_bytes(whole[:-20])
    with pytest.raises(InputError, match="p_1.parquet cannot be read as Parquet"):
        _cut(dataset, 10)
    path.write_bytes(whole[:200] + b"\0" * 2000 + whole[2200:])
    with pytest.raises(InputError, match="p_1.parquet.*is damaged"):
        _ids(dataset, _cut(dataset, 10_000))


def test_missing_and_doubled_columns_are_named(tmp_path: Path) -> None:
    write_csv(tmp_path / "p_1.csv", [(1, 2, 3)], header=("id", "a", "a"))
    source = _cut(_dataset(tmp_path, ".csv"), 10)[0].source
    with pytest.raises(InputError, match=r"partition p=1: .*lacks the columns \['b'\]; it has id, a, a"):
        require_columns(source, ["id", "b"], partition_key="p=1")
    with pytest.raises(InputError, match=r"more than one column named \['a'\]"):
        require_columns(source, ["id", "a"], partition_key="p=1")
