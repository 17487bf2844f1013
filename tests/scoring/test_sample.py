"""Samples of partitions: which blocks, how much of them, and that scoring sees nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import Small, good_rows

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.scoring.sample import Piece, SampledDataset, sliced, spread

pytestmark = pytest.mark.unit

ROWS = 60_000


def _written(folder: Path, kind: str) -> PartitionedDataset:
    frame = pd.DataFrame({"x": np.arange(ROWS, dtype=float) + 100_000, "text": ["some text"] * ROWS})
    if kind == "csv":
        frame.to_csv(folder / "part_1.csv", index=False)
    elif kind == "csv.gz":
        frame.to_csv(folder / "part_1.csv.gz", index=False)
    elif kind == "jsonl":
        frame.to_json(folder / "part_1.jsonl", orient="records", lines=True)
    elif kind == "orc":
        frame.to_orc(folder / "part_1.orc")
    else:
        frame.to_parquet(folder / "part_1.parquet", row_group_size=int(kind.partition(" ")[2]))
    return PartitionedDataset(f"{folder}/part_{{p}}.{kind.partition(' ')[0]}")


def _rows(dataset: PartitionedDataset, blocks: list[Block]) -> list[int]:
    return [sum(batch.table.num_rows for batch in read(dataset, block, {"x": "float64"})) for block in blocks]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet 60000", "parquet 6000", "parquet 1000"])
def test_a_slice_reads_about_its_share_of_a_block(tmp_path: Path, kind: str) -> None:
    dataset = _written(tmp_path, kind)
    blocks = cut(dataset, dataset.pin(dataset.partition({"p": "1"})), block_rows=6_000)
    whole = _rows(dataset, blocks)
    assert sum(whole) == ROWS
    assert len(blocks) >= 10
    for share in (0.4, 0.2):
        few = _rows(dataset, [sliced(block, share, 6_000) for block in blocks[:10]])
        assert all(0.5 * share < part / of < 2 * share for part, of in zip(few, whole[:10], strict=True))
    assert [sliced(block, 1, 6_000) for block in blocks] == blocks


def test_a_file_without_row_groups_has_no_slice(tmp_path: Path) -> None:
    pq.ParquetWriter(tmp_path / "part_1.parquet", pa.schema({"x": pa.float64()})).close()
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.parquet")
    blocks = cut(dataset, dataset.pin(dataset.partition({"p": "1"})), block_rows=6_000)
    assert _rows(dataset, [sliced(block, 0.3, 6_000) for block in blocks]) == _rows(dataset, blocks)


@pytest.mark.parametrize("kind", ["csv.gz", "orc"])
def test_what_cannot_be_read_in_part_stays_whole(tmp_path: Path, kind: str) -> None:
    dataset = _written(tmp_path, kind)
    (block,) = cut(dataset, dataset.pin(dataset.partition({"p": "1"})), block_rows=ROWS)
    assert _rows(dataset, [sliced(block, 0.01, ROWS)]) == [ROWS]


@pytest.mark.parametrize("kind", ["csv", "parquet 5000"])
def test_a_piece_knows_its_share_of_the_bytes(tmp_path: Path, kind: str) -> None:
    dataset = _written(tmp_path, kind)
    pinned = dataset.pin(dataset.partition({"p": "1"}))
    blocks = cut(dataset, pinned, block_rows=20_000)
    assert Piece(pinned, tuple(blocks)).bytes(_rows(dataset, blocks)) == pytest.approx(pinned.size, rel=0.01)
    one = blocks[:1]
    rows = _rows(dataset, one)
    assert Piece(pinned, tuple(one)).bytes(rows) == pytest.approx(pinned.size * sum(rows) / ROWS, rel=0.01)


def test_blocks_come_from_all_over_a_partition() -> None:
    blocks: list[Any] = list(range(10))
    assert spread(blocks, 2, 0) == [0, 5]
    assert spread(blocks, 2, 3) == [3, 8]
    assert spread(blocks, 3, 9) == [2, 5, 9]
    assert spread(blocks, 99, 4) == blocks


def test_scoring_sees_the_pieces_alone(fresh_small: Small) -> None:
    dataset = fresh_small.dataset
    pinned = dataset.pin(dataset.partition({"p": "1"}))
    blocks = cut(dataset, pinned, block_rows=100)
    seen = SampledDataset.of(dataset, [Piece(pinned, tuple(blocks[1:3]))])
    ((manifest, reused),) = fresh_small.score(1, dataset=seen, block_rows=100)
    assert not reused
    assert len(blocks) > 4
    assert len(manifest.blocks) == 2
    assert 0 < manifest.account.rows_read < 500
    assert manifest.account.rows_scored == manifest.account.rows_read


@pytest.mark.parametrize("kind", ["csv", "parquet 1000"])
@pytest.mark.parametrize("sampled_first", [True, False])
def test_a_sample_of_divided_files_is_cut_apart_from_the_files(tmp_path: Path, kind: str, sampled_first: bool) -> None:
    """Both in one process, as where a plan's task, a notebook or a script samples and then scores."""
    dataset = _written(tmp_path, kind)
    dataset = replace(dataset, uri=dataset.uri.replace("{p}", "1"), partition_by="text")
    pinned = dataset.pin(dataset.partition({"text": "some text"}))
    block = cut(dataset, pinned, block_rows=6_000)[1]
    sampled = SampledDataset.of(dataset, [Piece(pinned, (block,))])
    for sample in (sampled_first, not sampled_first):
        blocks = cut(sampled if sample else dataset, pinned, block_rows=6_000, columns=["x"])
        assert len(blocks) == 1 if sample else sum(_rows(dataset, blocks)) == ROWS


@pytest.fixture
def fresh_small(data: Small) -> Small:
    data.add(1, good_rows(500))
    return data
