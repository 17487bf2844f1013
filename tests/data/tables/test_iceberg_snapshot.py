"""A snapshot of an Iceberg table: which, what is in it, and tables that must not be read by their files."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_tables import NAME, SourceTable, day, games, source_table

from airflow_batchscore import Iceberg, PartitionedDataset
from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.data.tables.table_dataset import TableDataset
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.fixture
def table(tmp_path: Path) -> Iterator[SourceTable]:
    with source_table("iceberg", tmp_path / "lake", "day") as made:
        made.append(games(1))
        yield made


def _rows(dataset: PartitionedDataset, partition: Partition) -> int:
    blocks = cut(dataset, dataset.pin(partition), block_rows=100, columns=["a"])
    return sum(batch.table.num_rows for block in blocks for batch in read(dataset, block, {"a": None}))


def _keys(dataset: PartitionedDataset) -> list[str]:
    return [partition.key for partition in dataset.discover()]


def test_a_version_is_a_snapshot_a_time_or_a_name(table: SourceTable) -> None:
    first = table.version
    time.sleep(0.005)
    between = dt.datetime.now(dt.UTC)
    time.sleep(0.005)
    table.append(games(2))
    table.opened().manage_snapshots().create_tag(int(first), "month_end").commit()
    assert _keys(table.dataset()) == _keys(table.dataset(version="main")) == ["day=2026-04-01", "day=2026-04-02"]
    for version in (int(first), first, between.isoformat(), "month_end"):
        fixed = table.dataset(version=version).fixed()
        assert (_keys(fixed), fixed.version) == (["day=2026-04-01"], first)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (7, r"version='7': the Iceberg table shop.games has no such snapshot, or it has expired. It has 1 snapshots"),
        ("2001-01-01", "has no snapshot of then or before"),
        ("audit", r"has no branch or tag of that name, and it is no time either, .* branches and tags main"),
    ],
)
def test_a_version_that_is_not_there(table: SourceTable, version: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        table.dataset(version=version).fixed()


def test_a_table_that_is_not_there_or_was_never_written_is_empty(tmp_path: Path) -> None:
    with source_table("iceberg", tmp_path, "day") as table:
        for _ in ("not there", "never written"):
            assert table.dataset().discover() == []
            with pytest.raises(InputError, match="the Iceberg table shop.games is not there, or nothing was ever writ"):
                table.dataset().fixed().require()
            if _ == "not there":
                with pytest.raises(InputError, match=r"version='main': the catalog shop has no table shop\.games"):
                    table.dataset(version="main").fixed()
                table.create(games(1).schema)


def test_a_table_that_lies_elsewhere_is_not_read(table: SourceTable, tmp_path: Path) -> None:
    other = PartitionedDataset(f"{tmp_path}/other", table=table.table, partition_by="day")
    with pytest.raises(InputError, match=r"lies at file://.*/games, not in .*/other: nothing was read. Let uri= name"):
        other.discover()
    above = PartitionedDataset(str(table.folder), table=table.table, partition_by="day")
    assert _keys(above) == ["day=2026-04-01"], "a folder above holds it, too"


def test_a_data_file_that_lies_elsewhere_is_not_read(table: SourceTable, tmp_path: Path) -> None:
    pq.write_table(games(4), tmp_path / "secret.parquet")
    change = table.opened().transaction()
    with change.update_snapshot().fast_append() as snapshot:
        from pyiceberg.io.pyarrow import parquet_file_to_data_file

        change.set_properties({"schema.name-mapping.default": table.opened().schema().name_mapping.model_dump_json()})
        file = parquet_file_to_data_file(table.opened().io, change.table_metadata, f"file://{tmp_path}/secret.parquet")
        snapshot.append_data_file(file)
    change.commit_transaction()
    with pytest.raises(InputError, match=r"secret.parquet, which lies outside of .*/games and was not read"):
        table.dataset().discover()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "POSITION_DELETES",
            r"deleted rows that its file .* still holds \(.*deletes.parquet says which\).*rewrite_data_f",
        ),
        ("EQUALITY_DELETES", r"was not read: .*equality deletes.*Rewrite the data files"),
    ],
)
def test_deleted_rows_are_refused(table: SourceTable, content: str, message: str) -> None:
    from pyiceberg.manifest import DataFile as PyicebergFile
    from pyiceberg.manifest import DataFileContent, FileFormat

    (planned,) = table.opened().scan().plan_files()
    deletes = PyicebergFile.from_args(
        content=DataFileContent[content],
        file_path=f"{table.uri}/data/deletes.parquet",
        file_format=FileFormat.PARQUET,
        partition=planned.file.partition,
        record_count=1,
        file_size_in_bytes=1,
    )
    deletes.spec_id = planned.file.spec_id
    change = table.opened().transaction()
    with change.update_snapshot().fast_append() as snapshot:
        snapshot.append_data_file(deletes)
    change.commit_transaction()
    with pytest.raises(InputError, match=message):
        table.dataset().discover()


def test_a_renamed_column_is_read_by_the_files_that_have_its_name(table: SourceTable) -> None:
    with table.opened().update_schema() as change:
        change.rename_column("a", "alpha")
    table.append(games(2).rename_columns(["id", "alpha", "b", "day"]))
    dataset = table.dataset().fixed()
    old, new = map(dataset.pin, dataset.discover())
    assert cut(dataset, new, block_rows=100, columns=["alpha"])[0].source.columns == ("id", "alpha", "b", "day")
    with pytest.raises(InputError, match=r"calls the column alpha by its old name, a: .*rewrite_data_files"):
        cut(dataset, old, block_rows=100, columns=["alpha"])


def test_a_column_that_came_again_is_another_one(table: SourceTable) -> None:
    from pyiceberg.types import DoubleType

    with table.opened().update_schema() as change:
        change.delete_column("a")
    with table.opened().update_schema() as change:
        change.add_column("a", DoubleType())
    table.append(games(2).select(["id", "b", "day", "a"]))
    dataset = table.dataset().fixed()
    old, _ = map(dataset.pin, dataset.discover())
    with pytest.raises(InputError, match="has a column a that was dropped before another was given its name"):
        cut(dataset, old, block_rows=100, columns=["a"])


def test_a_dropped_column_is_gone(table: SourceTable) -> None:
    with table.opened().update_schema() as change:
        change.delete_column("a")
    table.append(games(2).drop_columns(["a"]))
    dataset = table.dataset().fixed()
    old, _ = map(dataset.pin, dataset.discover())
    assert cut(dataset, old, block_rows=100)[0].source.columns == ("id", "b", "day")


def _swap(table: SourceTable) -> None:
    for old, new in [("a", "c"), ("b", "a"), ("c", "b")]:
        with table.opened().update_schema() as change:
            change.rename_column(old, new)


def _replace_column(table: SourceTable) -> None:
    from pyiceberg.types import DoubleType

    with table.opened().update_schema() as change:
        change.delete_column("a")
    with table.opened().update_schema() as change:
        change.add_column("a", DoubleType())


def _rename(table: SourceTable) -> None:
    with table.opened().update_schema() as change:
        change.rename_column("a", "alpha")


def _rename_partition(table: SourceTable) -> None:
    with table.opened().update_schema() as change:
        change.rename_column("day", "played")


@pytest.mark.parametrize("version", [None, "main"])
@pytest.mark.parametrize(
    ("change", "by", "message"),
    [
        (_swap, "day", "calls the column b by its old name, a: .*rewrite_data_files"),
        (_replace_column, "day", "has a column a that was dropped before another was given its name"),
        (_rename, "day", "calls the column alpha by its old name, a: .*rewrite_data_files"),
        (_rename_partition, "played", "calls the column played by its old name, day: .*rewrite_data_files"),
        (_swap, "a", "calls the column b by its old name, a: .*rewrite_data_files"),
    ],
)
def test_a_change_of_the_schema_alone_counts(
    table: SourceTable, change: Callable[[SourceTable], None], by: str, version: str | None, message: str
) -> None:
    """No snapshot is made of it: the newest one names another schema."""
    before = table.dataset().fixed()
    change(table)
    with pytest.raises(InputError, match=message):
        dataset = table.dataset(by, version=version).fixed()
        cut(dataset, dataset.pin(dataset.discover()[0]), block_rows=100)
    assert (before.version, table.dataset(by, version=version).fixed().version) == (table.version, table.version)
    first = table.dataset(version=table.version).fixed()
    assert first.seen.types == before.seen.types, "time travel finds the columns of then"
    assert cut(first, first.pin(first.discover()[0]), block_rows=100)[0].source.columns == ("id", "a", "b", "day")


def test_a_partition_column_that_was_renamed_is_asked_for_by_its_name(table: SourceTable) -> None:
    _rename_partition(table)
    with pytest.raises(InputError, match=r"has no column 'day'; it has id, a, b, played"):
        table.dataset("day").fixed()
    assert _keys(table.dataset("played")) == ["played=2026-04-01"], "its partition tells, no file is read for it"


def test_tasks_have_the_columns_that_the_plan_saw(table: SourceTable) -> None:
    with table.opened().update_schema() as change:
        change.delete_column("b")
    planned = table.dataset().fixed()
    _rename(table)
    table.append(games(2).drop_columns(["b"]).rename_columns(["id", "alpha", "day"]))
    assert planned.seen.pinned == f"{planned.version}@1"
    later = table.dataset(version=planned.seen.pinned).fixed()
    assert (later.seen, [name for name, _ in later.seen.types]) == (
        replace(planned.seen, ids=later.seen.ids),
        ["id", "a", "day"],
    )
    assert cut(later, later.pin(later.discover()[0]), block_rows=100)[0].source.columns == ("id", "a", "day")
    with pytest.raises(InputError, match=r"shop.games has no schema 7 any more, which the plan saw: .* Plan again"):
        table.dataset(version=f"{planned.version}@7").fixed()


def test_hidden_partitions_tell_months_and_days_but_not_values(tmp_path: Path) -> None:
    """Files of one hour each, as Spark writes them to a table that is partitioned by hours(ts)."""
    from pyiceberg.transforms import HourTransform

    with source_table("iceberg", tmp_path) as table:
        schema = pa.schema([("id", pa.int64()), ("ts", pa.timestamp("us"))])
        with table.create(schema).update_spec() as spec:
            spec.add_field("ts", HourTransform(), "ts_hour")
        moments = [dt.datetime(1969, 12, 31, 23), dt.datetime(2026, 4, 1, 5, 30), dt.datetime(2026, 4, 2)]
        for number, moment in enumerate(moments):
            path = Path(table.uri, "data", f"{number}.parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table([[number], [moment]], schema=schema), path)
            table.opened().add_files([f"file://{path}"])
        for term, keys in {
            "month(ts)": ["ts_month=1969-12", "ts_month=2026-04"],
            "hour(ts)": ["ts_hour=1969-12-31T23", "ts_hour=2026-04-01T05", "ts_hour=2026-04-02T00"],
        }.items():
            dataset = table.dataset(term).fixed()
            assert (_keys(dataset), dataset.by) == (keys, None), "no row is looked at"
        by_rows = table.dataset("id").fixed()
        assert by_rows.by is not None
        assert _keys(by_rows) == ["id=0", "id=1", "id=2"]


def test_files_of_an_earlier_partition_spec_are_divided_by_their_rows(tmp_path: Path) -> None:
    with source_table("iceberg", tmp_path) as table:
        table.append(pa.concat_tables([games(1), games(2)]))
        with table.opened().update_spec() as spec:
            spec.add_identity("day")
        table.append(games(2, 5, offset=500))
        table.append(games(3).set_column(3, "day", pa.nulls(10, pa.date32())))
        dataset = table.dataset().fixed()
        assert dataset.by is not None
        found = {partition.values["day"]: partition for partition in dataset.discover()}
        assert {value: _rows(dataset, one) for value, one in found.items()} == {
            str(day(1)): 10,
            str(day(2)): 15,
            NO_VALUE: 10,
        }
        assert [len(one.files) for one in found.values()] == [1, 2, 2]
        (old,) = dataset.partition({"day": str(day(1))}).files
        (own,) = (file for file in dataset.partition({"day": NO_VALUE}).files if file != old)
        assert (found[str(day(1))].size, found[NO_VALUE].size) == (old.size // 2, own.size), "estimates by bytes"
        assert sum(one.size for one in found.values()) <= sum(file.size for file in dataset.files())


def test_rows_of_another_partition_than_the_table_states_are_refused(tmp_path: Path) -> None:
    with source_table("iceberg", tmp_path, "day") as table:
        table.append(games(1))
        dataset = table.dataset(["day", "id % 2"]).fixed()
        assert isinstance(dataset, TableDataset)
        (right,) = dataset.seen.files
        wrong = replace(right, labels=("2026-04-09", None))
        lying = replace(dataset, seen=replace(dataset.seen, files=(wrong,)))
        message = (
            r"\.parquet has 5 rows of partition day=2026-04-01/id_mod_2=[01], and all are of day=2026-04-09 by vers"
        )
        with pytest.raises(InputError, match=message):
            lying.discover()


def test_a_catalog_that_does_not_answer_is_asked_again(table: SourceTable) -> None:
    Path(table.folder, "catalog.db").write_bytes(b"no database" * 100)
    with pytest.raises(OSError, match="shop.games of the catalog shop cannot be read: .*not a database"):
        table.dataset().fixed()


def test_a_catalog_that_is_not_configured(tmp_path: Path) -> None:
    dataset = PartitionedDataset(str(tmp_path), table=Iceberg(NAME, catalog="nowhere"), partition_by="day")
    with pytest.raises(InputError, match="Give the catalog's properties in an Airflow connection"):
        dataset.fixed()
