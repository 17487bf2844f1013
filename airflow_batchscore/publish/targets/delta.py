"""A Delta table, by delta-rs (`deltalake`).

The record's number is the version of an application transaction (``txn``) named ``batchscore``, which Delta carries
along in its log whoever else commits. The partition columns stand in the log, not in the data files.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_batchscore.data import storage
from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.tables.delta_snapshot import arrow_schema
from airflow_batchscore.data.tables.kinds import Table
from airflow_batchscore.data.tables.table_storage import delta_options, place_of
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.targets.seen_table import Commit, SeenTable, key_of
from airflow_batchscore.publish.targets.table_files import DataFile
from airflow_batchscore.publish.targets.table_record import record_file
from airflow_batchscore.publish.targets.table_target import TableTarget
from airflow_batchscore.publish.targets.table_types import table_type

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

#: Of the application transaction.
_APP = "batchscore"
#: What writers of a table may have to do that is done here, or that data files alone cannot break.
_FEATURES = {"appendOnly", "invariants", "timestampNtz"}
_LAST_PLAIN_VERSION = 2


class DeltaTarget(TableTarget):
    """A folder with a Delta table."""

    own_folders: Sequence[str] = ("_delta_log",)

    def __init__(self, location: Location, table: Table) -> None:
        super().__init__(location, table)
        try:
            import deltalake  # noqa: F401
        except ImportError as error:
            raise OutputError(
                f"{location}: a Delta table needs deltalake: pip install 'airflow-batchscore[delta]' on the workers"
            ) from error
        self._place, self._options = place_of(location), delta_options(location, OutputError)

    def look(self) -> SeenTable | None:
        """See `TableTarget.look`."""
        import pyarrow as pa
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            table = DeltaTable(self._place, storage_options=self._options)
        except TableNotFoundError:
            return None
        except DeltaError as error:
            raise OSError(f"{self.location}: the Delta table cannot be read: {error}") from error
        self._require_plain(table)
        fields = table.metadata().partition_columns
        files: dict[str, dict[str, Any]] = {}
        for action in pa.table(table.get_add_actions()).to_pylist():
            key = key_of(fields, [action["partition"][name] for name in fields] if fields else [])
            # The log has URLs, and so has this table; actions are given with the path itself.
            path = unquote(action["path"])
            files.setdefault(key, {})[path] = {**action, "path": path}
        number = table.transaction_version(_APP)
        return SeenTable(
            version=str(table.version()),
            state=f"{table.metadata().id} {table.version()}",
            types={field.name: table_type(field.type) for field in arrow_schema(table)},
            fields=fields,
            files=files,
            record="" if number is None else str(number),
            handle=table,
        )

    def commit(self, commit: Commit) -> str:
        """See `TableTarget.commit`."""
        import pyarrow as pa
        from deltalake import CommitProperties, Schema, Transaction
        from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

        self._require_decisions(commit.record)
        now = int(time.time() * 1000)
        added = [
            AddAction(file.path, file.size, _partition_values(file), now, data_change=True, stats=file.stats)
            for file in commit.added
        ]
        properties = CommitProperties(
            custom_metadata={_APP: commit.run},
            max_commit_retries=0,  # a retry would not decide again
            app_transactions=[Transaction(_APP, int(commit.record), now)],
        )
        if commit.seen is None:
            columns = [pa.field(name, kind) for name, kind in commit.fields.items()]
            schema = pa.schema([*columns, *(field.with_nullable(True) for field in commit.table.columns)])
            create_table_with_add_actions(
                self._place,
                Schema.from_arrow(schema),
                added,
                partition_by=list(commit.fields),
                storage_options=self._options,
                commit_properties=properties,
            )
            return "0"
        table: DeltaTable = commit.seen.handle
        _require_no_nulls(arrow_schema(table), commit.added, self.location.uri)
        removed = [
            RemoveAction(
                one["path"],
                data_change=True,
                deletion_timestamp=now,
                size=one["size_bytes"],
                partition_values=_texts(one.get("partition", {})),  # a table without partitions has none
            )
            for one in commit.removed_files
        ]
        table.create_write_transaction(
            [*removed, *added], "append", table.schema(), list(commit.fields), commit_properties=properties
        )
        return str(table.version() + 1)

    def folder_of(self, key: str) -> str:
        """Named as in hive: the log says the values, but Polars takes them from the path."""
        return key

    def name_in_table(self, file: DataFile) -> str:
        """See `TableTarget.name_in_table`."""
        return file.path

    def _require_decisions(self, record: str) -> None:
        """Raises OutputError for a store that writes over what is there: two publications could both commit."""
        if not self.location.is_local and storage.create_bytes(record_file(self.location, record), b""):
            raise OutputError(
                f"not published: the store of {self.location} ignores If-None-Match and writes over files, so that two "
                "publications could both commit. Use a store with conditional writes, or publish a file"
            )

    def _require_plain(self, table: DeltaTable) -> None:
        """Raises OutputError for a table whose writers must do what is not done here."""
        protocol = table.protocol()
        features = {*(protocol.writer_features or ())} - _FEATURES
        if not protocol.writer_features and protocol.min_writer_version > _LAST_PLAIN_VERSION:
            features = {f"writer version {protocol.min_writer_version}"}
        if table.metadata().configuration.get("delta.appendOnly", "").lower() == "true":
            features.add("delta.appendOnly=true")
        features |= {
            f"an invariant of {field.name}" for field in table.schema().fields if "delta.invariants" in field.metadata
        }
        if features:
            raise OutputError(
                f"not published: the Delta table {self.location} has {', '.join(sorted(features))}, which this package "
                "does not write. Publish to a table without, or to a new one"
            )


def _texts(values: Mapping[str, object]) -> dict[str, str | None]:
    return {name: None if value is None else str(value) for name, value in values.items()}


def _partition_values(file: DataFile) -> dict[str, str | None]:
    return {name: None if value == NO_VALUE else value for name, value in file.partition.items()}


def _require_no_nulls(schema: pa.Schema, files: Sequence[DataFile], output: str) -> None:
    """Raises OutputError if a column that has no nulls in the table would get one."""
    for name in (field.name for field in schema if not field.nullable):
        for file in files:
            if file.partition.get(name) == NO_VALUE or file.nulls.get(name, 0 if name in file.partition else 1):
                key = key_of(list(file.partition), list(file.partition.values()))
                raise OutputError(
                    f"not published: the column {name} of the table {output} is NOT NULL, and partition {key} has "
                    "nulls there. Allow nulls in the table, or find out where they come from"
                )
