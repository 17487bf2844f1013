from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import good_rows, write_csv

from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


def _names(folder: Path, **options: bool) -> list[str]:
    return [file.uri.removeprefix(f"{folder}/") for file in storage.list_files(Location(str(folder)), **options)]


def test_files_of_a_folder_that_links_to_itself_are_listed_once(tmp_path: Path) -> None:
    write_csv(tmp_path / "year=1" / "x.csv", good_rows(2))
    (tmp_path / "year=1" / "again").symlink_to(tmp_path)
    (tmp_path / "year=1" / "me").symlink_to(tmp_path / "year=1")
    assert _names(tmp_path, recursive=True) == ["year=1/x.csv"]
    (partition,) = PartitionedDataset(f"{tmp_path}/year={{year}}/", format="csv").discover()
    assert len(partition.files) == 1


def test_links_to_other_folders_and_files_are_followed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_csv(tmp_path / "elsewhere" / "x.csv", good_rows(2))
    data.mkdir()
    for name in ("one", "two"):
        (data / name).symlink_to(tmp_path / "elsewhere")
    (data / "three.csv").symlink_to(tmp_path / "elsewhere" / "x.csv")
    (data / "nowhere.csv").symlink_to(tmp_path / "nothing")
    assert _names(data, recursive=True) == ["one/x.csv", "three.csv", "two/x.csv"]
    assert _names(data) == ["three.csv"]
    assert {file.size for file in storage.list_files(Location(str(data)))} == {
        (tmp_path / "elsewhere" / "x.csv").stat().st_size
    }


def test_a_listing_says_of_a_file_what_a_look_at_it_alone_says(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", good_rows(2))
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    assert storage.list_files(Location(str(tmp_path))) == [storage.stat(Location(str(path)))]


def test_a_folder_that_is_not_there_is_empty_and_one_that_is_a_file_is_refused(tmp_path: Path) -> None:
    assert storage.list_files(Location(str(tmp_path / "no"))) == []
    with pytest.raises(InputError, match="cannot read"):
        storage.list_files(Location(str(write_csv(tmp_path / "x.csv", []))))


def test_a_name_that_is_not_utf8_is_refused_where_it_is_data_and_passed_over_elsewhere(tmp_path: Path) -> None:
    write_csv(tmp_path / "part_1.csv", good_rows(2))
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.csv")
    (tmp_path / os.fsdecode(b"notes \xff.txt")).touch()
    assert [partition.key for partition in dataset.discover()] == ["p=1"]
    (tmp_path / os.fsdecode(b"part_\xff.csv")).touch()
    with pytest.raises(InputError, match=r"part_\\xff.csv' is not UTF-8"):
        dataset.discover()
