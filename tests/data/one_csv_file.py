"""A partition of one CSV file, cut wherever a test wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats.base import Block


def one_csv(folder: Path, text: str | bytes, **options: Any) -> PartitionedDataset:
    """A dataset whose only partition is the text."""
    (folder / "p_1.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return PartitionedDataset(f"{folder}/p_{{p}}.csv", read_options=options)


def blocks_of(dataset: PartitionedDataset, step: int | None = None) -> list[Block]:
    """The partition's blocks, of `step` bytes each where given."""
    whole = cut(dataset, dataset.partition({"p": "1"}), block_rows=1 << 30)
    if step is None:
        return whole
    source = whole[0].source
    starts = range(source.data_start, source.size, step)
    return [Block(n, source, start, min(start + step, source.size)) for n, start in enumerate(starts)]


def rows_of(dataset: PartitionedDataset, blocks: list[Block]) -> tuple[list[str], list[str]]:
    """Keys of the rows that are read, and the text of the bad ones."""
    good, bad = list[str](), list[str]()
    for block in blocks:
        for batch in read(dataset, block, {"a": "float64"}, {"id": None}):
            good += batch.keys["id"].to_pylist()
            bad += [str(row.raw.get("line")) for row in batch.bad]
            assert sorted([*batch.positions.tolist(), *(row.position for row in batch.bad)]) == list(
                range(batch.rows_read)
            )
    return good, bad
