"""The files of a published folder, whatever it is on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from publications import publish
from support import good_rows, small

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.targets import partition_files

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Location:
    """Where partitions 1 and 2 of ten rows each are published."""
    data = small(tmp_path)
    for partition in (1, 2):
        data.add(partition, good_rows(10, 1000 * partition))
    publish([manifest for manifest, _ in data.score(1, 2)], tmp_path / "out")
    return Location(str(tmp_path / "out"))


def test_a_partitions_file_says_what_it_holds_and_where_there_is_none_nothing(folder: Location) -> None:
    files = {key: partition_files.published_file(folder, key) for key in ("p=1", "p=2", "p=3")}
    assert files["p=3"] == partition_files.PublishedFile(None, None)
    stamps = partition_files.stamps_of(files)
    assert {key: (stamp.key, stamp.rows) for key, stamp in stamps.items()} == {"p=1": ("p=1", 10), "p=2": ("p=2", 10)}


def test_a_damaged_file_has_no_stamp_and_is_told(folder: Location, caplog: pytest.LogCaptureFixture) -> None:
    place = Path(partition_files.partition_file(folder, "p=1").uri)
    place.write_bytes(place.read_bytes()[:-4])
    damaged = partition_files.published_file(folder, "p=1")
    assert damaged.seen is not None
    assert damaged.stamp is None
    assert str(place) in caplog.text
    assert caplog.text.strip().endswith("it is replaced")


def test_a_file_of_another_program_is_refused(folder: Location) -> None:
    place = Path(partition_files.partition_file(folder, "p=1").uri)
    pq.write_table(pq.read_table(place, partitioning=None).replace_schema_metadata(None), place)
    with pytest.raises(OutputError, match=r"p=1/scores\.parquet was not published by this package\. Move it away"):
        partition_files.published_file(folder, "p=1")


def test_only_files_below_partition_folders_count_as_partitions_with_other_fields(folder: Location) -> None:
    stamp = partition_files.published_file(folder, "p=1").stamp
    assert stamp is not None
    Path(folder.uri, "notes").mkdir()
    Path(folder.uri, "notes", "scores.parquet").write_bytes(b"somebody's")
    Path(folder.uri, "q=1").mkdir()
    Path(folder.uri, "q=1", "other.parquet").write_bytes(b"somebody's")
    assert partition_files.others_published(folder, [stamp]) == ["p=2"]
    assert partition_files.others_published(folder, [replace(stamp, partition={"p": "2"})]) == ["p=1"]
    with pytest.raises(OutputError, match=r"holds p=1, a partition by p, and this run's partitions are by p, month"):
        partition_files.others_published(folder, [replace(stamp, partition={"p": "1", "month": "2"})])
