"""What is looked at once for all partitions of a task."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_tables import games, source_table

from airflow_batchscore.data import dataset as datasets
from airflow_batchscore.data.shared_files import SharedFiles
from airflow_batchscore.data.storage import Location

pytestmark = pytest.mark.unit


def test_each_file_of_a_table_is_looked_at_once_whatever_else_its_partitions_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    stamp_of = datasets.stamp_of

    def counted(location: Location) -> object:
        looked.append(location.uri)
        return stamp_of(location)

    monkeypatch.setattr(datasets, "stamp_of", counted)
    with source_table("iceberg", tmp_path) as table:
        table.append(games(1))
        with table.opened().update_spec() as spec:
            spec.add_identity("day")
        table.append(games(2))
        table.append(games(3))
        dataset = table.dataset().fixed()
        files, found = SharedFiles(dataset), dataset.discover()
        pinned = [files.partition(partition.values) for partition in (*found, *found)]
        assert [len(partition.files) for partition in pinned[:3]] == [1, 2, 2]
        assert sorted(looked) == sorted(file.uri for file in dataset.files())
        assert pinned == [SharedFiles(dataset).partition(one.values) for one in pinned]
        assert [files.pin(one) for one in found] == [SharedFiles(dataset).pin(one) for one in found]
