"""One version of a Delta table, by delta-rs (`deltalake`)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

from airflow_batchscore.data import storage
from airflow_batchscore.data.common_type import plain
from airflow_batchscore.data.partition_by import PartitionBy
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.tables.snapshot import Folder, Snapshot, TableFile
from airflow_batchscore.data.tables.table_storage import delta_options, place_of
from airflow_batchscore.data.tables.versions import parsed, pin, split_pin
from airflow_batchscore.data.type_names import name_of
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

#: What readers may have to do that is done here, is seen to not be needed, or does not concern data files.
_FEATURES = {"timestampNtz", "columnMapping", "deletionVectors", "typeWidening", "v2Checkpoint", "vacuumProtocolCheck"}


def look(location: Location, version: str, by: PartitionBy) -> Snapshot:
    """See `Table.look`."""
    name = f"the Delta table {location}"
    if any(mark in location.uri for mark in "%#?"):
        raise InputError(
            f"{location}: %, # and ? are marks of a URL to deltalake, which looks elsewhere; rename the folder"
        )
    version, planned = split_pin(version)
    table = _opened(location, version, name)
    if table is None:
        return Snapshot(name, "")
    own = str(table.metadata().id)
    if planned and own != planned:
        raise InputError(
            f"{name} was deleted and made anew since the plan: its version {version} is of the table {own}, and the "
            f"plan saw {planned}. Nothing was read. Plan again: clear the plan's task with all that comes after it"
        )
    _require_plain(table, name)
    schema, columns = arrow_schema(table), table.metadata().partition_columns
    types = [(field.name, name_of(plain(field.type))) for field in schema]
    files, version = _files(Folder(location, name), table, columns, by), str(table.version())
    return Snapshot.of(name, version, types, files, pinned=pin(version, own))


def _opened(location: Location, version: str, name: str) -> DeltaTable | None:
    """The table at that version; None if there is no table, and no version was asked for."""
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError
    except ImportError as error:
        raise InputError(
            f"{location}: a Delta table needs deltalake: pip install 'airflow-batchscore[delta]' on the workers"
        ) from error
    place, options, wanted = place_of(location), delta_options(location, InputError), parsed(version)
    if isinstance(wanted, str):
        raise InputError(
            f"version={version!r}: a Delta table has no branches or tags; give a version's number, or a time such as "
            "2026-04-01T06:00:00Z"
        )
    try:
        newest = DeltaTable(place, storage_options=options)
    except TableNotFoundError as error:
        if wanted is None:
            return None
        raise InputError(f"version={version!r}: there is no Delta table in {location}") from error
    except (DeltaError, OSError) as error:
        raise OSError(f"{name} cannot be read: {error}") from error
    if wanted is not None:
        _go_back(newest, wanted, location, f"version={version!r}: {name}")
    return newest


def _go_back(table: DeltaTable, wanted: int | datetime, location: Location, asked: str) -> None:
    from deltalake.exceptions import DeltaError

    last = table.version()
    if isinstance(wanted, int) and wanted > last:
        raise InputError(f"{asked} has no such version; its newest is {last}")
    try:
        table.load_as_version(wanted)
    except DeltaError as error:
        if not isinstance(wanted, int) or storage.stat(_commit(location, wanted)) is not None:
            raise OSError(f"{asked} cannot be read: {error}") from error
        raise InputError(
            f"{asked} cannot be read any more: {error}. Its log is kept for delta.logRetentionDuration (30 days unless "
            f"the table says otherwise): take a newer version; the newest is {last}"
        ) from error
    if isinstance(wanted, datetime):
        # delta-rs gives the first version for any time before it.
        commit = storage.stat(_commit(location, table.version()))
        if commit is not None and commit.mtime_ns > wanted.timestamp() * 1e9:
            raise InputError(f"{asked} had no version then that is known; the earliest is {table.version()}")


def _commit(location: Location, version: int) -> Location:
    return location / "_delta_log" / f"{version:020d}.json"


def _require_plain(table: DeltaTable, name: str) -> None:
    """Raises InputError for a table whose rows are not those of its files, by the names in its schema."""
    configuration, features = table.metadata().configuration, {*(table.protocol().reader_features or ())}
    if (mode := configuration.get("delta.columnMapping.mode", "none").lower()) != "none":
        raise InputError(
            f"{name} has delta.columnMapping.mode={mode}: its files name columns differently, and were not read. Write "
            "it as a table without column mapping (with Spark: CREATE TABLE ... AS SELECT)"
        )
    if unknown := sorted(features - _FEATURES):
        raise InputError(
            f"{name} needs readers with {', '.join(unknown)}, which this package does not have: nothing was read. "
            "Write it as a table without, or drop the feature (ALTER TABLE ... DROP FEATURE)"
        )
    if "deletionVectors" in features and (file := _first_with_deleted_rows(table, name)):
        raise InputError(
            f"{name} has deleted rows that its file {file} still holds (a deletion vector): nothing was read. Rewrite "
            "such files (with Spark: REORG TABLE ... APPLY (PURGE)), or set delta.enableDeletionVectors=false before "
            "rows are deleted"
        )


def _first_with_deleted_rows(table: DeltaTable, name: str) -> str | None:
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        for batch in table.deletion_vectors():
            for file in pa.record_batch(batch).column("filepath").to_pylist():
                return str(file)
    except DeltaError as error:
        return f"(which one cannot be said: {error})"
    return None


def _files(folder: Folder, table: DeltaTable, columns: list[str], by: PartitionBy) -> list[TableFile]:
    import pyarrow as pa

    from airflow_batchscore.data.row_labels import labels

    actions = pa.table(table.get_add_actions())
    known: dict[str, pa.Array] = {}
    if columns and actions.num_rows:
        partition = actions.column("partition").combine_chunks()
        known = {column: partition.field(column) for column in columns}
    count = actions.num_rows
    told = [
        labels(term, known[term.column]).to_pylist() if term.column in known else [None] * count for term in by.terms
    ]
    texts = [known[column].cast(pa.string()).to_pylist() for column in known]
    sizes, times = (actions.column(each).to_pylist() for each in ("size_bytes", "modification_time"))
    return [
        TableFile(
            # The log has URLs.
            folder.uri_of(unquote(path)),
            sizes[row],
            times[row] * 1_000_000,
            tuple(each[row] for each in told),
            tuple((column, each[row]) for column, each in zip(known, texts, strict=True)),
        )
        for row, path in enumerate(actions.column("path").to_pylist())
    ]


def arrow_schema(table: DeltaTable) -> pa.Schema:
    """The columns of the table, with partition columns."""
    import pyarrow as pa

    return pa.schema(table.schema().to_arrow())
