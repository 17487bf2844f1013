"""Data files of a table: written by the engine's workers, with what Delta's log says of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from process_engine import Processes
from publications import flip_a_bit, staged

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import GateError
from airflow_batchscore.publish.stamp import PartitionStamp, Publication
from airflow_batchscore.publish.table import ScoresTable
from airflow_batchscore.publish.targets.table_files import DataFile, write_files
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit


def _written(folder: Path, manifests: list[Manifest], publication: Publication) -> dict[str, DataFile]:
    new = [(PartitionStamp.of(manifest, publication), manifest) for manifest in manifests]
    table = ScoresTable({}, ScoresTable.of(manifests).columns)
    return write_files(Location(str(folder)), table, new, publication, lambda key: f"data/{key}")


def test_statistics_hold_for_every_row(tmp_path: Path) -> None:
    parts = [
        pa.table({
            "id": pa.array([5, 3, None]),
            "name": ["b", "a", "c"],
            "long": ["x" * 100] * 3,
            "score": [0.5, float("nan"), 9.5],
            "none": pa.array([None] * 3, pa.int64()),
        }),
        pa.table({
            "id": pa.array([9, 4]),
            "name": ["d", None],
            "long": ["y"] * 2,
            "score": [0.1, 0.2],
            "none": pa.array([None, 1], pa.int64()),
        }),
    ]  # fmt: skip
    (file,) = _written(tmp_path / "t", [staged(tmp_path / "s", 1, *parts)], Publication()).values()
    assert json.loads(file.stats) == {
        "numRecords": 5,
        "nullCount": {"id": 1, "name": 1, "long": 0, "score": 0, "none": 4},
        "minValues": {"id": 3, "name": "a"},  # not of a group that is all null
        "maxValues": {"id": 9, "name": "d"},
    }
    assert (tmp_path / "t" / file.path).stat().st_size == file.size


def test_the_engines_workers_write_and_partitions_without_rows_have_no_file(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2]})
    manifests = [staged(tmp_path / "s", n, table if n < 3 else table.slice(0, 0)) for n in (1, 2, 3)]
    files = _written(tmp_path / "t", manifests, Publication(engine=Processes()))
    assert files.keys() == {"p=1", "p=2"}
    assert all(pq.read_table(tmp_path / "t" / file.path).num_rows == 2 for file in files.values())
    assert not [name for name in os.listdir(tmp_path / "t/data/p=1") if not name.startswith("batchscore-")]


def test_a_damaged_part_is_not_copied(tmp_path: Path) -> None:
    manifest = staged(tmp_path / "s", 1, pa.table({"id": list(range(50_000))}))
    flip_a_bit(Path(manifest.folder.uri, manifest.blocks[0].part))
    with pytest.raises(GateError, match=r"partition p=1: .*is damaged"):
        _written(tmp_path / "t", [manifest], Publication())
