from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import good_rows, write_csv

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.readiness import look

pytestmark = pytest.mark.unit

NOW = 1_700_000_000.0


@pytest.fixture
def dataset(tmp_path: Path) -> PartitionedDataset:
    for year, age in ((2000, 100), (2001, 10)):
        path = write_csv(tmp_path / f"m_{year}.csv", good_rows(2))
        os.utime(path, (NOW - age, NOW - age))
    return PartitionedDataset(f"{tmp_path}/m_{{year}}.csv")


def test_is_ready_when_all_are_there(dataset: PartitionedDataset) -> None:
    seen = look(dataset, "2000..2001", stable_for=None, now=NOW)
    assert seen.ready
    assert seen.to_dict()["partitions"] == [{"year": "2000"}, {"year": "2001"}]


def test_names_what_is_missing_and_what_still_changes(dataset: PartitionedDataset) -> None:
    seen = look(dataset, "2000..2002", stable_for=60, now=NOW)
    assert not seen.ready
    assert seen.describe() == "1 partition(s) ready; 1 not there: year=2002; 1 still changing: year=2001"


def test_without_a_request_any_partition_will_do_but_not_none(dataset: PartitionedDataset, tmp_path: Path) -> None:
    assert look(dataset, None, stable_for=None, now=NOW).ready
    assert not look(PartitionedDataset(f"{tmp_path}/other_{{y}}.csv"), None, stable_for=None, now=NOW).ready
