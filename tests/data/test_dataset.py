from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import good_rows, write_csv

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.readiness import assess
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
    with pytest.raises(InputError, match="format='avro'"):
        PartitionedDataset("/d/{y}", format="avro")
    with pytest.raises(InputError, match="format of /d/1.dat is not clear"):
        PartitionedDataset("/d/{y}.dat").file_format("/d/1.dat")


def test_what_the_sensor_saw_must_still_be_there(dataset: PartitionedDataset, tmp_path: Path) -> None:
    seen = assess(dataset, "2000..2001", stable_for=None, now=0).to_dict()
    assert [partition.key for partition in dataset.require(seen)] == ["year=2000", "year=2001"]
    assert dataset.require(str(seen)) == dataset.require(json.dumps(seen)), "as Jinja and a form make it"
    with open(tmp_path / "m_2001.csv", "a") as file:
        file.write("1,2,3,0\n")
    assert len(dataset.require(seen)) == 2, "more is not lost"
    os.truncate(tmp_path / "m_2001.csv", 20)
    with pytest.raises(InputError, match="the sensor saw it: year=2001 has 1 files of 20 bytes in all, not 1 of"):
        dataset.require(seen)
    (tmp_path / "m_2000.csv").unlink()
    with pytest.raises(InputError, match=r"saw it: year=2000 is gone; year=2001 has .*clear the sensor's task"):
        dataset.require(seen)


def test_a_file_fewer_than_the_sensor_saw_is_noticed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_csv(tmp_path / "year=1" / f"{name}.csv", good_rows(2))
    dataset = PartitionedDataset(f"{tmp_path}/year={{year}}/")
    seen = assess(dataset, None, stable_for=None, now=0).to_dict()
    (tmp_path / "year=1" / "a.csv").unlink()
    with pytest.raises(InputError, match="year=1 has 1 files"):
        dataset.require(seen)
    with pytest.raises(InputError, match="pass on exactly what PartitionSensor returned"):
        dataset.require({name: seen[name] for name in ("partitions", "files", "bytes")})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 0}, "another version of this package .schema 0, not 1.: clear the sensor's task"),
        ({"each": [[1, 2], [3, 4]]}, r"not those of each partition .*pass on exactly what PartitionSensor returned"),
        ({"each": 7}, "not those of each partition"),
        ({"partitions": 7}, "not those of each partition"),
        ({"partitions": [{"month": "1"}]}, r"the dataset has the fields \['year'\]"),
    ],
)
def test_what_a_sensor_returned_counts_only_as_a_whole(
    dataset: PartitionedDataset, change: dict[str, Any], message: str
) -> None:
    seen = assess(dataset, "2000", stable_for=None, now=0).to_dict()
    with pytest.raises(InputError, match=message):
        dataset.require({**seen, **change})


def test_a_request_is_limited_by_the_data_set(dataset: PartitionedDataset) -> None:
    with pytest.raises(InputError, match="names 10,000,000,000 partitions"):
        dataset.require("0..9999999999")
    with pytest.raises(InputError, match=r"names 3 partitions.*may name 2; .*PartitionedDataset\(max_partitions="):
        replace(dataset, max_partitions=2).require("1..3")
    assert replace(dataset, max_partitions=2).reading == dataset.reading


def test_of_many_missing_partitions_some_are_named(dataset: PartitionedDataset) -> None:
    with pytest.raises(InputError, match="and 49,?990 more") as caught:
        dataset.require("100001..150000")
    assert len(str(caught.value)) < 10_000


def test_a_uri_is_text_or_a_path(tmp_path: Path) -> None:
    assert PartitionedDataset(tmp_path / "x_{year}.csv").uri == f"{tmp_path}/x_{{year}}.csv"  # type: ignore[arg-type]
    with pytest.raises(InputError, match="give text, .* and its connection as conn_id="):
        PartitionedDataset(["s3://bucket/x_{year}.csv"])  # type: ignore[arg-type]


def test_a_folder_that_is_written_like_a_file_is_told_from_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "hive" / "day=1").mkdir(parents=True)
    write_csv(tmp_path / "hive" / "day=1" / "x.csv", good_rows(3))
    with pytest.raises(InputError, match=r"hive is a folder: write \S+/hive/ to read all of its files"):
        PartitionedDataset(f"{tmp_path}/hive").require()
    for uri in ("nothing", "nothing/", "hive/{day}.csv"):
        with pytest.raises(InputError, match="no file matches"):
            PartitionedDataset(f"{tmp_path}/{uri}").require()
