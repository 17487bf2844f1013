"""Partitions whose keys have several types: one type that holds all exactly, or an error that names the partitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from publications import staged

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

BIG = 2**53 + 1


def _manifests(folder: Path, *keys: pa.Array) -> list[Manifest]:
    """Scores of partitions ``p=0``, ``p=1``, ... with these keys."""
    tables = [pa.table({"id": key, "prediction": [0.5] * len(key)}) for key in keys]
    return [staged(folder, number, table) for number, table in enumerate(tables)]


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ([pa.array([1, 2], pa.int32()), pa.array([2**40])], pa.int64()),
        ([pa.array([BIG]), pa.array([7.0, None])], pa.int64()),
        ([pa.array(["a"]), pa.array(["b"], pa.large_string())], pa.large_string()),
        ([pa.array([0], pa.timestamp("ms")), pa.array([1], pa.timestamp("us"))], pa.timestamp("us")),
        ([pa.nulls(2), pa.array([1.5], pa.float32())], pa.float32()),
    ],
    ids=["integers", "an integer with none", "texts", "times", "nothing"],
)
def test_a_single_file_has_one_type_for_the_keys_of_all(
    tmp_path: Path, keys: Sequence[pa.Array], kind: pa.DataType
) -> None:
    for order in (1, -1):
        folder = tmp_path / str(order)
        manifests = _manifests(folder, *keys[::order])
        combine(manifests, Location(f"{folder}/out.parquet"))
        found = pq.read_table(folder / "out.parquet")["id"]
        assert found.type == kind
        assert found.to_pylist() == [value for key in keys[::order] for value in key.to_pylist()]


def test_in_a_folder_each_partition_keeps_its_own(tmp_path: Path) -> None:
    manifests = _manifests(tmp_path, pa.array([1, 2], pa.int32()), pa.array([2**40]))
    combine(manifests, Location(f"{tmp_path}/out"))
    types = [pq.read_schema(tmp_path / "out" / f"p={n}" / "scores.parquet").field("id").type for n in (0, 1)]
    assert types == [pa.int32(), pa.int64()]


@pytest.mark.parametrize("output", ["out.parquet", "out"])
def test_keys_that_no_type_holds_are_refused_with_both_partitions(tmp_path: Path, output: str) -> None:
    manifests = _manifests(tmp_path, pa.array([7]), pa.array(["7"]))
    with pytest.raises(OutputError, match="partition p=1 has the columns .*string.*partition p=0 has .*int64"):
        combine(manifests, Location(f"{tmp_path}/{output}"))
    assert not (tmp_path / output).exists()


def test_a_key_that_is_not_exact_in_the_type_of_all_is_refused_with_its_row(tmp_path: Path) -> None:
    manifests = _manifests(tmp_path, pa.array([7]), pa.array([1.0, 2.5]))
    with pytest.raises(OutputError, match=r"partition p=1: .*, row 1: column 'id': 2.5 is not exact as int64"):
        combine(manifests, Location(f"{tmp_path}/out.parquet"))
    assert not (tmp_path / "out.parquet").exists()
