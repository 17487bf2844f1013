from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import good_rows, write_csv

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.fixture
def dataset(tmp_path: Path) -> PartitionedDataset:
    for year in (2001, 999, 2000):
        write_csv(tmp_path / f"m_{year}.csv", good_rows(3))
    (tmp_path / "notes.txt").write_text("not a partition")
    return PartitionedDataset(f"{tmp_path}/m_{{year}}.csv")


def test_discovers_partitions_in_order(dataset: PartitionedDataset) -> None:
    assert [partition.key for partition in dataset.discover()] == ["year=999", "year=2000", "year=2001"]


def test_a_missing_partition_is_named_with_its_file_and_what_there_is(dataset: PartitionedDataset) -> None:
    with pytest.raises(InputError, match=r"year=1998 \(.*m_1998.csv\); there are 3, year=999 to year=2001"):
        dataset.require([2000, 1998])


def test_one_partition_is_found_without_listing(dataset: PartitionedDataset) -> None:
    assert dataset.partition({"year": "2000"}).files == dataset.require("2000")[0].files


def test_several_files_make_one_partition(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv"):
        write_csv(tmp_path / "year=2000" / name, good_rows(2))
    dataset = PartitionedDataset(f"{tmp_path}/year={{year}}/")
    found = dataset.partition({"year": "2000"})
    assert [Path(file.uri).name for file in found.files] == ["a.csv", "b.csv"]
    assert dataset.discover() == [found]


def test_a_fingerprint_changes_with_the_bytes_and_only_then(dataset: PartitionedDataset) -> None:
    partition = dataset.partition({"year": "2000"})
    path = Path(partition.files[0].uri)
    before = dataset.fingerprint(partition)
    assert dataset.fingerprint(dataset.partition({"year": "2000"})) == before
    text = path.read_text()
    path.write_text(text.replace("1", "2", 1))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    after = dataset.fingerprint(dataset.partition({"year": "2000"}))
    assert after.files[0][1] == before.files[0][1]
    assert after.digest != before.digest


def test_survives_the_way_through_json(dataset: PartitionedDataset) -> None:
    assert PartitionedDataset(**dataset.to_dict()) == dataset


def test_refuses_options_and_formats_that_are_not_known() -> None:
    with pytest.raises(InputError, match="read_options \\['sep'\\]"):
        PartitionedDataset("/d/{y}.csv", read_options={"sep": ";"})
    with pytest.raises(InputError, match="format='orc'"):
        PartitionedDataset("/d/{y}", format="orc")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="format of /d/1.dat is not clear"):
        PartitionedDataset("/d/{y}.dat").file_format("/d/1.dat")
