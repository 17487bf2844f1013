"""A version of a Delta table: which, what is in it, and tables that must not be read by their files."""

from __future__ import annotations

import base64
import json
import shutil
import string
import struct
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from source_tables import SourceTable, games, source_table

from airflow_batchscore import Delta, PartitionedDataset
from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.fixture
def table(tmp_path: Path) -> Iterator[SourceTable]:
    with source_table("delta", tmp_path / "lake", "day") as made:
        made.append(games(1))
        yield made


def _log(table: SourceTable, *actions: Any) -> None:
    """A commit of another program."""
    log = Path(table.uri, "_delta_log")
    version = len(list(log.glob("*.json")))
    (log / f"{version:020d}.json").write_text("".join(json.dumps(action) + "\n" for action in actions))


def _vector(*rows: int) -> str:
    """A deletion vector as Delta's protocol writes it into the log: a roaring bitmap in Z85."""
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + struct.pack(f"<{len(rows)}H", *rows)
    whole = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    letters = string.digits + string.ascii_uppercase + string.ascii_lowercase + "!#$%&()*+-;<=>?@^_`{|}~"
    theirs = string.digits + string.ascii_lowercase + string.ascii_uppercase + ".-:+=^!/*?&<>()[]{}@%$#"
    return base64.b85encode(whole).decode().translate(str.maketrans(letters, theirs))


def _keys(dataset: PartitionedDataset) -> list[str]:
    return [partition.key for partition in dataset.discover()]


def test_a_version_is_a_number_or_a_time(table: SourceTable) -> None:
    time.sleep(0.01)
    between = datetime.now(UTC)
    time.sleep(0.01)
    table.append(games(2))
    assert _keys(table.dataset()) == _keys(table.dataset(version="")) == ["day=2026-04-01", "day=2026-04-02"]
    for version in (0, "0", between.isoformat(), f"{between.replace(tzinfo=None)}"):
        fixed = table.dataset(version=version).fixed()
        assert (_keys(fixed), fixed.version) == (["day=2026-04-01"], "0")
    assert table.dataset(version="2999-01-01").fixed().version == "1"


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (7, r"version='7': the Delta table .*/games has no such version; its newest is 0"),
        ("2001-01-01", r"version='2001-01-01': .* had no version then that is known; the earliest is 0"),
        ("main", r"version='main': a Delta table has no branches or tags; give a version's number, or a time"),
    ],
)
def test_a_version_that_is_not_there(table: SourceTable, version: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        table.dataset(version=version).fixed()


def test_a_version_whose_log_was_cleaned_up(table: SourceTable) -> None:
    for number in (2, 3):
        table.append(games(number))
    table.opened().create_checkpoint()
    for number in (0, 1):
        Path(table.uri, "_delta_log", f"{number:020d}.json").unlink()
    assert len(table.dataset().discover()) == 3
    with pytest.raises(InputError, match=r"version='1': .* cannot be read any more: .* log is kept .* newest is 2"):
        table.dataset(version=1).fixed()


def test_a_table_that_was_made_anew_is_another_one(table: SourceTable) -> None:
    planned = table.dataset().fixed()
    table.append(games(2))
    assert table.dataset(version=planned.seen.pinned).fixed().seen == planned.seen
    shutil.rmtree(table.uri)
    table.append(games(1, 5))
    with pytest.raises(InputError, match=r"games was deleted and made anew since the plan: its version 0 .*Plan again"):
        table.dataset(version=planned.seen.pinned).fixed()
    assert table.dataset(version=planned.version).fixed().version == "0", "a number that a person gives is but that"


def test_a_log_that_cannot_be_read_is_tried_again(table: SourceTable) -> None:
    Path(table.uri, "_delta_log", f"{0:020d}.json").write_text("{")
    with pytest.raises(OSError, match="the Delta table .* cannot be read"):
        table.dataset().fixed()


def test_a_table_that_is_not_there_is_empty_until_something_is_asked_of_it(tmp_path: Path) -> None:
    dataset = PartitionedDataset(f"{tmp_path}/none", table=Delta(), partition_by="day")
    assert dataset.discover() == []
    with pytest.raises(InputError, match=r"the Delta table .*/none is not there, or nothing was ever written to it"):
        dataset.fixed().require()
    with pytest.raises(InputError, match="version='3': there is no Delta table in"):
        PartitionedDataset(f"{tmp_path}/none", table=Delta(), partition_by="day", version=3).fixed()


def test_values_of_partitions_are_names_and_constants(tmp_path: Path) -> None:
    rows = pa.table({"id": [1, 2, 3], "c": ["New York", "50 % off", None], "n": [7, 8, 9], "ok": [True, False, None]})
    with source_table("delta", tmp_path, "c", "n", "ok") as table:
        table.append(rows)
        dataset = table.dataset(["c", "n % 2", "ok"]).fixed()
        found = dataset.discover()
        assert dataset.by is None, "the log tells, no row is looked at"
        values = [{"c": "50 % off", "n_mod_2": "0", "ok": "false"}, {"c": "New York", "n_mod_2": "1", "ok": "true"}]
        nothing = {"c": NO_VALUE, "n_mod_2": "1", "ok": NO_VALUE}
        assert sorted((one.values for one in found), key=str) == sorted([*values, nothing], key=str)
        wanted: dict[str, str | None] = dict.fromkeys(["c", "n", "ok", "id"])
        seen = []
        for partition in found:
            (block,) = cut(dataset, dataset.pin(partition), block_rows=100, columns=list(wanted), keys=list(wanted))
            (batch,) = read(dataset.for_workers(), block, {}, wanted)
            assert [str(kind) for kind in batch.keys.schema.types] == ["string", "int64", "bool", "int64"]
            seen += batch.keys.to_pylist()
        assert sorted(seen, key=lambda row: row["id"]) == rows.select(["c", "n", "ok", "id"]).to_pylist()


def test_a_value_that_cannot_name_a_folder_asks_for_buckets(tmp_path: Path) -> None:
    with source_table("delta", tmp_path, "c") as table:
        table.append(pa.table({"id": [1], "c": ["a/b"]}))
        with pytest.raises(InputError, match=r"cannot name a partition.*partition_by=\"hash\(c\) % 10\""):
            table.dataset("c").discover()


def test_files_elsewhere_are_not_read(table: SourceTable, tmp_path: Path) -> None:
    add = {"partitionValues": {"day": "2026-04-09"}, "size": 5, "modificationTime": 1, "dataChange": True}
    for path in ("../secret.parquet", "file:///etc/x.parquet", "/etc/x.parquet", "s3://other/x.parquet"):
        _log(table, {"add": {**add, "path": path}})
        with pytest.raises(InputError, match=r"has the data file .*, which lies outside of .*/games and was not read"):
            table.dataset().discover()
        _log(table, {"remove": {"path": path, "dataChange": True, "deletionTimestamp": 1}})
    assert _keys(table.dataset()) == ["day=2026-04-01"]


def test_a_link_out_of_the_table_is_not_followed(table: SourceTable, tmp_path: Path) -> None:
    (path,) = table.files(1)
    path.rename(tmp_path / "moved.parquet")
    path.symlink_to(tmp_path / "moved.parquet")
    with pytest.raises(InputError, match=r"moved.parquet|lies outside"):
        table.dataset().discover()


def test_deleted_rows_are_refused(table: SourceTable) -> None:
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    _log(table, {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}})
    assert _keys(table.dataset()) == ["day=2026-04-01"], "a table may have the feature, and no deleted row"
    (path,) = table.files(1)
    name = f"day=2026-04-01/{path.name}"
    vector = {"storageType": "i", "pathOrInlineDv": _vector(3, 4), "sizeInBytes": 36, "cardinality": 2}
    remove = {"path": name, "dataChange": True, "deletionTimestamp": 1, "partitionValues": {"day": "2026-04-01"}}
    add = {"path": name, "partitionValues": {"day": "2026-04-01"}, "size": path.stat().st_size, "modificationTime": 1}
    _log(
        table,
        {"remove": remove},
        {"add": {**add, "dataChange": True, "deletionVector": vector, "stats": '{"numRecords":10}'}},
    )
    with pytest.raises(InputError, match=rf"has deleted rows that its file .*{path.name} still holds .*REORG TABLE"):
        table.dataset().discover()
    assert _keys(table.dataset(version=1)) == ["day=2026-04-01"]


@pytest.mark.parametrize(
    ("protocol", "settings", "message"),
    [
        ({"minReaderVersion": 2, "minWriterVersion": 5}, {"delta.columnMapping.mode": "name"}, "Mapping.mode=name"),
        (
            {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": ["variantType"],
                "writerFeatures": ["variantType"],
            },
            {},
            "needs readers with variantType",
        ),
    ],
)
def test_tables_that_need_more_of_a_reader_are_refused(
    table: SourceTable, protocol: Any, settings: dict[str, str], message: str
) -> None:
    first = Path(table.uri, "_delta_log", f"{0:020d}.json").read_text().splitlines()
    (metadata,) = (json.loads(line) for line in first if "metaData" in line)
    metadata["metaData"]["configuration"] = settings
    if settings:
        schema = json.loads(metadata["metaData"]["schemaString"])
        for number, field in enumerate(schema["fields"]):
            field["metadata"] = {
                "delta.columnMapping.id": number + 1,
                "delta.columnMapping.physicalName": field["name"],
            }
        metadata["metaData"]["schemaString"] = json.dumps(schema)
        settings["delta.columnMapping.maxColumnId"] = "9"
    _log(table, {"protocol": protocol}, metadata)
    with pytest.raises(InputError, match=message):
        table.dataset().discover()


def test_a_replaced_data_file_is_not_read(table: SourceTable) -> None:
    (path,) = table.files(1)
    path.write_bytes(path.read_bytes() + b"x")
    dataset = table.dataset().fixed()
    with pytest.raises(InputError, match=r"has \d+ bytes, and \d+ by version 0 of .*: somebody replaced a data file"):
        dataset.pin(dataset.require()[0])


def test_a_name_that_deltalake_reads_as_a_url(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="are marks of a URL to deltalake"):
        PartitionedDataset(f"{tmp_path}/50%25", table=Delta(), partition_by="day").fixed()
