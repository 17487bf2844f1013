"""The record beside a table: which files each partition was published with."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from airflow_batchscore.data.storage import Location
from airflow_batchscore.publish.stamp import ForeignFileError, PartitionStamp, Statement
from airflow_batchscore.publish.targets.table_record import TableRecord, drop_old_records, drop_record, record_file

pytestmark = pytest.mark.unit

STAMP = PartitionStamp({"p": "1"}, 7, "dag/run", "digest", 3, "v1", {"rows_read": 3})
EMPTY = PartitionStamp({"p": "2"}, 7, "dag/run", "digest 2", 0, "v1", {"rows_read": 0})
RECORD = TableRecord(Statement({"id": "int64"}, [STAMP, EMPTY]), {"p=1": ["data/a.parquet"], "p=2": []})


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    table = Location(str(tmp_path))
    one, other = RECORD.write(table), RECORD.write(table)
    assert one != other
    assert int(one) < 1 << 62, "a Delta table keeps it as a signed number"
    assert TableRecord.read(table, one) == RECORD
    drop_record(table, one)
    with pytest.raises(FileNotFoundError):
        TableRecord.read(table, one)
    Path(record_file(table, other).uri).write_text("{}")
    with pytest.raises(ForeignFileError, match="cannot be read by this version"):
        TableRecord.read(table, other)


@pytest.mark.parametrize(("files", "known"), [
    ({"p=1": {"data/a.parquet"}}, {"p=1": "digest", "p=2": "digest 2"}),
    ({"p=1": {"data/compacted.parquet"}}, {"p=1": "", "p=2": "digest 2"}),
    ({"p=1": {"data/a.parquet", "data/more.parquet"}, "p=2": {"b"}}, {"p=1": "", "p=2": ""}),
    ({}, {"p=1": "", "p=2": "digest 2"}),
])  # fmt: skip
def test_a_partition_in_other_files_was_published_from_no_manifest(
    files: dict[str, set[str]], known: dict[str, str]
) -> None:
    stamps = RECORD.unaltered({key: frozenset(names) for key, names in files.items()})
    assert {key: stamp.manifest for key, stamp in stamps.items()} == known


def test_records_that_no_commit_names_are_removed_after_a_day(tmp_path: Path) -> None:
    table = Location(str(tmp_path))
    current, old, young = (RECORD.write(table) for _ in range(3))
    for number in (current, old):
        file, then = record_file(table, number).uri, time.time() - 25 * 3600
        os.utime(file, (then, then))
    drop_old_records(table, current)
    left = {path.stem for path in (tmp_path / "_published").iterdir()}
    assert left == {current, young}
