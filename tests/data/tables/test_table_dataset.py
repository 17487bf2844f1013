"""A dataset at one version of its table, in memory: which files a partition has, and what travels to workers."""

from __future__ import annotations

import json
import pickle
from dataclasses import fields, replace
from pathlib import Path

import pytest
from source_tables import KINDS, games, source_table

from airflow_batchscore import Delta, PartitionedDataset
from airflow_batchscore.data.blocks import cut
from airflow_batchscore.data.layout import layout_from_json, layout_to_json
from airflow_batchscore.data.tables.snapshot import Snapshot, TableFile
from airflow_batchscore.data.tables.table_dataset import TableDataset
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


def _dataset(partition_by: object, *files: TableFile) -> TableDataset:
    given = PartitionedDataset("s3://lake/games", table=Delta(), partition_by=partition_by)  # type: ignore[arg-type]
    seen = Snapshot.of("the Delta table s3://lake/games", "4", [("day", "date32[day]"), ("id", "int64")], files)
    arguments = {each.name: getattr(given, each.name) for each in fields(given)}
    return TableDataset(**{**arguments, "version": "4", "seen": seen})


def _file(name: str, *labels: str | None) -> TableFile:
    return TableFile(f"s3://lake/games/{name}", 10, 0, labels)


def test_files_are_partitions_where_the_table_tells() -> None:
    dataset = _dataset("day", _file("b", "2"), _file("a", "1"), _file("c", "2"))
    assert (dataset.fields, dataset.by) == (("day",), None)
    found = {one.key: [file.uri[-1] for file in one.files] for one in dataset.discover()}
    assert found == {"day=1": ["a"], "day=2": ["b", "c"]}
    assert dataset.partition({"day": "2"}) == dataset.discover()[1]
    with pytest.raises(InputError, match="day=3: version 4 of the Delta table .* has no file of it; plan again"):
        dataset.partition({"day": "3"})
    with pytest.raises(InputError, match=r"the dataset has the fields \['day'\]; plan again"):
        dataset.partition({"month": "3"})
    with pytest.raises(InputError, match="version 4 of .* has no rows of partition day=3; there are 2, day=1 to day=2"):
        dataset.require(["3"])
    with pytest.raises(InputError, match="version 4 of .* has no rows"):
        _dataset("day").require()


def test_buckets_are_of_the_files_that_the_table_tells() -> None:
    dataset = _dataset(["day", "id % 2"], _file("a", "1", None), _file("b", "2", None))
    found = dataset.partition({"id_mod_2": "0", "day": "2"})
    assert (found.key, [file.uri[-1] for file in found.files], found.by) == (
        "day=2/id_mod_2=0",
        ["b"],
        ("day", "id % 2"),
    )
    with pytest.raises(AssertionError, match="day=1/id_mod_2=0 was given the files of another partition"):
        dataset.partition_of({"day": "1", "id_mod_2": "0"}, found.files)
    assert [one.key for one in _dataset("id % 2", _file("a", None)).discover()] == [
        "id_mod_2=0",
        "id_mod_2=1",
        "id_mod_2=__HIVE_DEFAULT_PARTITION__",
    ]


def test_too_many_partitions_are_refused() -> None:
    dataset = replace(_dataset("day", _file("a", "1"), _file("b", "2")), max_partitions=1)
    with pytest.raises(InputError, match="partition_by='day' makes more than 1 partitions"):
        dataset.discover()


def test_a_column_that_the_table_lacks_is_named_before_a_file_is_read(tmp_path: Path) -> None:
    with source_table("delta", tmp_path, "day") as table:
        table.append(games(1))
        with pytest.raises(InputError, match=r"version 0 of .* no column 'dya' \(is it day\?\); it has id, a, b, day"):
            table.dataset(["dya", "id % 2"]).fixed()


@pytest.mark.parametrize("kind", KINDS)
def test_workers_get_no_list_of_files(kind: str, tmp_path: Path) -> None:
    with source_table(kind, tmp_path, "day") as table:
        table.append(games(1))
        for by in ("day", "id % 2"):
            dataset = table.dataset(by).fixed()
            sent = pickle.loads(pickle.dumps(dataset.for_workers()))  # noqa: S301 - its own
            assert (sent.seen.files, sent.by, sent.fields) == ((), dataset.by, dataset.fields)
            elsewhere = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - its own
            assert elsewhere.discover() == dataset.discover(), "another Python needs no library of tables"


def test_the_version_is_no_part_of_an_identity_and_the_kind_is(tmp_path: Path) -> None:
    given = PartitionedDataset("/lake/games", table=Delta(), partition_by="day")
    assert given.reading == replace(given, version=3).reading
    assert given.reading[-1] == ["table", "delta"]
    assert PartitionedDataset("/lake/*.parquet", partition_by="day").reading[-1] == ["partition_by", "day"]


def test_a_layout_keeps_what_a_file_is_given(tmp_path: Path) -> None:
    with source_table("delta", tmp_path, "day") as table:
        table.append(games(1))
        dataset = table.dataset().fixed()
        blocks = cut(dataset, dataset.pin(dataset.discover()[0]), block_rows=4, columns=["a"], keys=["id", "day"])
        assert dict(blocks[0].source.given_types) == {"day": "date32[day]"}
        assert layout_from_json(json.loads(json.dumps(layout_to_json(blocks)))) == blocks, "an attempt goes on with it"
