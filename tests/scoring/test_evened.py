"""Sizes of partitions by their rows: exact where footers are read, between them elsewhere, and files' own in text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.scoring.evened import evened

pytestmark = pytest.mark.unit


def _table(rows: int, *, is_dense: bool) -> pa.Table:
    values = np.zeros(rows) if is_dense else np.random.default_rng(rows).normal(size=rows)
    return pa.table({"x": values})


def _sizes(folder: Path, suffix: str = "parquet") -> tuple[Mapping[str, float], float]:
    dataset = PartitionedDataset(f"{folder}/d_{{k}}.{suffix}")
    found = evened(dataset, dataset.require())
    return found.sizes, found.spread


@pytest.mark.parametrize("suffix", ["parquet", "orc"])
def test_partitions_of_as_many_rows_have_one_size_however_small_their_files_are(tmp_path: Path, suffix: str) -> None:
    for k in range(5):
        table, place = _table(20_000, is_dense=k < 3), f"{tmp_path}/d_{k}.{suffix}"
        if suffix == "parquet":
            pq.write_table(table, place)
        else:
            pyarrow.orc.write_table(table, place, compression="zstd")
    files = [path.stat().st_size for path in tmp_path.iterdir()]
    sizes, spread = _sizes(tmp_path, suffix)
    assert max(files) > 5 * min(files)
    assert list(sizes.values()) == pytest.approx([sum(files) / 5] * 5)
    assert spread == 0


def test_of_many_partitions_some_footers_are_read(tmp_path: Path) -> None:
    rows = {f"k={k:02}": 100 * (k + 1) for k in range(60)}
    for k, count in enumerate(rows.values()):
        pq.write_table(_table(count, is_dense=False), tmp_path / f"d_{k:02}.parquet")
    sizes, spread = _sizes(tmp_path)
    per_row = [sizes[key] / count for key, count in rows.items()]
    assert per_row == pytest.approx([np.mean(per_row)] * 60, rel=0.1)
    assert 0 < spread < 0.1


def test_rows_that_sizes_do_not_tell_widen_the_range(tmp_path: Path) -> None:
    for k, is_large in enumerate(np.random.default_rng(0).random(40) < 0.5):
        table = _table(20_000 if is_large else 40, is_dense=True)
        table = table.replace_schema_metadata({"note": "x" * (50_000 + k)})  # alike in size, and not in rows
        pq.write_table(table, tmp_path / f"d_{k:02}.parquet")
    assert _sizes(tmp_path)[1] > 0.3


def test_text_and_files_that_cannot_be_opened_have_the_sizes_of_their_files(tmp_path: Path) -> None:
    for k in range(2):
        pd.DataFrame({"x": range(10 * (k + 1))}).to_csv(tmp_path / f"d_{k}.csv", index=False)
        (tmp_path / f"d_{k}.parquet").write_bytes(b"no footer" * (k + 1))
    assert _sizes(tmp_path) == ({"k=0": 9.0, "k=1": 18.0}, 0.0)
    assert _sizes(tmp_path, "csv")[0] == {f"k={k}": float((tmp_path / f"d_{k}.csv").stat().st_size) for k in range(2)}


def test_parts_of_a_partition_stand_for_it(tmp_path: Path) -> None:
    for k, rows in ((0, 1000), (1, 3000)):
        for part in range(9):
            place = tmp_path / f"k={k}" / f"part_{part}.parquet"
            place.parent.mkdir(exist_ok=True)
            pq.write_table(_table(rows, is_dense=k == 1), place)
    dataset = PartitionedDataset(f"{tmp_path}/k={{k}}/part_*.parquet")
    sizes = evened(dataset, dataset.require()).sizes
    assert sizes["k=1"] / sizes["k=0"] == pytest.approx(3, rel=0.01)
