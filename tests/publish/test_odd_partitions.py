"""Partitions and fields with odd names, from the files to what is published."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support import good_rows, small, write_csv

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.data.pattern import partition_key
from airflow_batchscore.data.storage import Location
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = pytest.mark.unit


def test_the_longest_name_is_scored_and_published(tmp_path: Path) -> None:
    name = "\u65e5" * 28 + "x"
    assert len(partition_key({"p": name})) == 255
    data = small(tmp_path)
    data.add(name, [*good_rows(9), ("bad", "x", "y", "z")])
    ((manifest, _),) = data.score(name, limit=Limit(1))
    combine([manifest], Location(str(tmp_path / "published")))
    (file,) = (tmp_path / "published").rglob("*.parquet")
    assert pq.read_table(file).num_rows == 9
    assert file.parent.name == partition_key({"p": name})


def test_fields_called_like_columns_of_the_quarantine_table_are_told_apart(tmp_path: Path) -> None:
    data = small(tmp_path)
    write_csv(tmp_path / "in" / "2" / "7" / "x.csv", [*good_rows(9), ("bad", "x", "y", "z")])
    dataset = PartitionedDataset(f"{tmp_path}/in/{{row}}/{{error}}/{{file}}.csv")
    values = {"row": "2", "error": "7", "file": "x"}
    job = data.job(dataset=dataset, keys=["id"], limit=Limit(1))
    ((manifest, _),) = score_partitions(job, [values], LocalDask(workers=2))
    (quarantined,) = Path(manifest.folder.uri).glob("quarantine/*.parquet")
    (row,) = pq.ParquetFile(quarantined).read().to_pylist()
    assert {field: row[f"partition_{field}"] for field in values} == values
    assert (row["row"], Path(row["file"]).name) == (9, "x.csv")
    combine([manifest], Location(str(tmp_path / "all.parquet")))
    published = pq.read_table(tmp_path / "all.parquet")
    assert published.num_rows == 9
    assert [published[field][0].as_py() for field in values] == [2, 7, "x"]
