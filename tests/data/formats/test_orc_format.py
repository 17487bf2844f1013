"""ORC: stripes are merged into blocks, and a huge one is read as a stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.orc as orc
import pytest

from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.inferred_types import infer_types
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


def _dataset(folder: Path, table: pa.Table, stripe: int = 1 << 16) -> PartitionedDataset:
    with orc.ORCWriter(folder / "p_1.orc", stripe_size=stripe, batch_size=1000) as writer:
        writer.write(table)
    return PartitionedDataset(f"{folder}/p_{{p}}.orc")


def _numbers(rows: int) -> pa.Table:
    return pa.table({"id": np.random.default_rng(3).permutation(rows), "a": np.random.default_rng(4).random(rows)})


def _cut(dataset: PartitionedDataset, rows: int, memory: int | None = None) -> list[Block]:
    return cut(dataset, dataset.partition({"p": "1"}), block_rows=rows, block_memory=memory, columns=["id"])


def _ids(dataset: PartitionedDataset, blocks: list[Block]) -> list[int]:
    return [
        n for block in blocks for batch in read(dataset, block, {"id": "int64"}) for n in batch.table["id"].to_pylist()
    ]


def test_stripes_are_merged_into_blocks_of_about_the_rows_asked_for(tmp_path: Path) -> None:
    table = _numbers(20_000)
    dataset = _dataset(tmp_path, table)
    stripes = orc.ORCFile(tmp_path / "p_1.orc").nstripes
    assert stripes > 6
    assert len(_cut(dataset, 1)) == stripes
    assert len(_cut(dataset, 3 * 20_000 // stripes + 1)) == -(-stripes // 3)
    assert _cut(dataset, 1 << 30)[0].source.rows == 20_000
    assert _ids(dataset, _cut(dataset, 1)) == table["id"].to_pylist() == _ids(dataset, _cut(dataset, 8_000))


def test_a_stripe_too_large_for_the_memory_is_read_in_pieces(tmp_path: Path) -> None:
    table = _numbers(2_000_000)
    dataset = _dataset(tmp_path, table, stripe=1 << 30)
    (block,) = _cut(dataset, 250_000, memory=12 << 20)
    assert block.source.is_stream
    batches = list(read(dataset, block, {"id": "int64"}))
    assert max(batch.table.nbytes for batch in batches) <= 1 << 20
    assert [n for batch in batches for n in batch.table["id"].to_pylist()] == table["id"].to_pylist()


def test_a_name_with_a_dot_is_no_member_of_another_column(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, pa.table({"a": [{"b": 1}, {"b": 2}], "a.b": [3, 4]}))
    (block,) = cut(dataset, dataset.partition({"p": "1"}), block_rows=10, columns=["a.b"])
    (batch,) = read(dataset, block, {"a.b": "float64"})
    assert batch.table["a.b"].to_pylist() == [3, 4]


def test_rows_are_counted_where_no_column_is_read(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, _numbers(1000))
    assert sum(batch.rows_read for block in _cut(dataset, 10) for batch in read(dataset, block, {})) == 1000


def test_types_are_those_of_the_file(tmp_path: Path) -> None:
    table = pa.table(
        {
            "i": pa.array([1], pa.int16()),
            "f": pa.array([1], pa.float32()),
            "d": pa.array([0], pa.date32()),
            "t": pa.array([0], pa.timestamp("us")),
            "z": pa.array([0], pa.timestamp("us", "UTC")),
            "m": pa.array([None], pa.decimal128(10, 2)),
            "x": [[1]],
        }
    )
    dataset = _dataset(tmp_path, table)
    found = infer_types(dataset, dataset.require(), ["i", "f", "d", "t", "z", "m"])
    expected = {"i": "int64", "f": "float64", "d": "date32[day]", "t": "timestamp[ns]", "z": "timestamp[ns, tz=UTC]"}
    assert found == {**expected, "m": "decimal128(10, 2)"}


def test_damage_in_a_stripe_names_the_file(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, _numbers(50_000))
    blocks = _cut(dataset, 1)
    raw = (tmp_path / "p_1.orc").read_bytes()
    (tmp_path / "p_1.orc").write_bytes(raw[:100] + bytes(len(raw) // 2) + raw[100 + len(raw) // 2 :])
    with pytest.raises(InputError, match=r"p_1.orc.* is damaged: "):
        _cut(dataset, 1)
    assert len(blocks) > 6
