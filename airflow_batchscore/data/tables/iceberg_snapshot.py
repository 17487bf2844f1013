"""One snapshot of an Iceberg table, by pyiceberg, in any catalog that pyiceberg knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.common_type import plain
from airflow_batchscore.data.partition_by import NO_VALUE, PART_LENGTHS, PartitionBy, Term
from airflow_batchscore.data.storage import Location, is_within
from airflow_batchscore.data.tables.kinds import Iceberg
from airflow_batchscore.data.tables.snapshot import Folder, Snapshot, TableFile
from airflow_batchscore.data.tables.versions import parsed, pin, split_pin
from airflow_batchscore.data.type_names import name_of
from airflow_batchscore.errors import BatchScoreError, InputError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask
    from pyiceberg.table import Table as PyicebergTable
    from pyiceberg.table.snapshots import Snapshot as PyicebergSnapshot


def look(table: Iceberg, location: Location, version: str, by: PartitionBy) -> Snapshot:
    """See `Table.look`."""
    name = f"the Iceberg table {table.name}"
    try:
        return _look(table, location, version, by, name)
    except (BatchScoreError, OSError):
        raise
    except Exception as error:  # a catalog's, of any library
        raise OSError(
            f"{name} of the catalog {table.catalog} cannot be read: {type(error).__name__}: {error}"
        ) from error


def _look(table: Iceberg, location: Location, version: str, by: PartitionBy, name: str) -> Snapshot:
    version, pinned = split_pin(version)
    opened = _opened(table, location, version)
    snapshot = None if opened is None else _snapshot(opened, version, name)
    if opened is None or snapshot is None:
        return Snapshot(name, "")
    if not is_within(opened.location(), location.uri):
        raise InputError(
            f"{name} of the catalog {table.catalog} lies at {opened.location()}, not in {location}: nothing was read. "
            "Let uri= name that folder, or one above it"
        )
    schema = _schema(opened, snapshot, version, pinned, name)
    arrow = _arrow_schema(schema)
    files = _files(opened, snapshot, _Known(opened, schema, arrow, by), Folder(location, name), name)
    types = [(field.name, name_of(plain(field.type))) for field in arrow]
    version = str(snapshot.snapshot_id)
    return Snapshot.of(name, version, types, files, _ids(opened, schema), pin(version, schema.schema_id))


def _opened(table: Iceberg, location: Location, version: str) -> PyicebergTable | None:
    """None if there is no table, and no version was asked for."""
    try:
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        from airflow_batchscore.data.tables.iceberg_catalog import load
    except ImportError as error:
        raise InputError(
            f"{location}: Iceberg tables need pyiceberg: pip install 'airflow-batchscore[iceberg]' on the workers"
        ) from error
    try:
        return load(table, location).load_table(table.name)
    except (NoSuchTableError, NoSuchNamespaceError) as error:
        if parsed(version) is None:
            return None
        raise InputError(f"version={version!r}: the catalog {table.catalog} has no table {table.name}") from error


def _snapshot(table: PyicebergTable, version: str, name: str) -> PyicebergSnapshot | None:
    wanted = parsed(version)
    if wanted is None:
        return table.current_snapshot()
    if isinstance(wanted, int):
        found, what = table.snapshot_by_id(wanted), "such snapshot"
    elif isinstance(wanted, datetime):
        found, what = table.snapshot_as_of_timestamp(int(wanted.timestamp() * 1000)), "snapshot of then or before"
    else:
        found, what = table.snapshot_by_name(wanted), "branch or tag of that name, and it is no time either"
    if found is None:
        newest = table.current_snapshot()
        raise InputError(
            f"version={version!r}: {name} has no {what}, or it has expired. It has {len(table.snapshots())} snapshots, "
            f"the newest is {newest.snapshot_id if newest else 'none'}, and the branches and tags "
            f"{', '.join(table.refs()) or 'none'}"
        )
    return found


def _schema(table: PyicebergTable, snapshot: PyicebergSnapshot, version: str, pinned: str, name: str) -> Schema:
    """The table's own for the newest version and for branches; that of the snapshot for earlier versions and tags.

    Columns are renamed and dropped without a new snapshot.

    Args:
        pinned: number of the schema that the plan saw: all tasks of a run see the same columns.
    """
    schemas = table.schemas()
    if pinned:
        seen = schemas.get(int(pinned)) if pinned.isdecimal() else None
        if seen is None:
            raise InputError(
                f"{name} has no schema {pinned} any more, which the plan saw: nothing was read. Plan again: clear the "
                "plan's task with all that comes after it"
            )
        schema = seen
    elif snapshot.schema_id is None or parsed(version) is None or _is_branch(table, version):
        schema = table.schema()
    else:
        schema = schemas.get(snapshot.schema_id, table.schema())
    for field in schema.fields:
        if field.initial_default is not None:
            raise InputError(
                f"{name}: its column {field.name} has a default for rows from "
                "before it was added, which this package does not fill in: nothing was read. Rewrite the data files"
            )
    return schema


def _is_branch(table: PyicebergTable, name: str) -> bool:
    from pyiceberg.table.refs import SnapshotRefType

    ref = table.refs().get(name.strip())
    return ref is not None and ref.snapshot_ref_type == SnapshotRefType.BRANCH


def _arrow_schema(schema: Schema) -> pa.Schema:
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    return schema_to_pyarrow(schema, include_field_ids=False)


def _ids(table: PyicebergTable, schema: Schema) -> tuple[tuple[int, str], ...]:
    """`Snapshot.ids`: empty while no column was ever renamed, or dropped and added again."""
    every = [*table.schemas().values(), schema]
    pairs = {(id_, str(one.find_column_name(id_))) for one in every for id_ in one.field_ids}
    if len({id_ for id_, _ in pairs}) == len({name for _, name in pairs}) == len(pairs):
        return ()
    return tuple((field.field_id, field.name) for field in schema.fields)


def _files(
    table: PyicebergTable, snapshot: PyicebergSnapshot, known: _Known, folder: Folder, name: str
) -> Iterator[TableFile]:
    from pyiceberg.manifest import FileFormat

    try:
        tasks = list(table.scan(snapshot_id=snapshot.snapshot_id).plan_files())
    except ValueError as error:  # deletes by value
        raise InputError(f"version {snapshot.snapshot_id} of {name} was not read: {error}. {_REWRITE}") from error
    for task in tasks:
        file = task.file
        if task.delete_files:
            deleted = sorted(one.file_path for one in task.delete_files)[0]
            raise InputError(
                f"version {snapshot.snapshot_id} of {name} has deleted rows that its file {file.file_path} still holds "
                f"({deleted} says which): nothing was read. {_REWRITE}"
            )
        if file.file_format != FileFormat.PARQUET or file.key_metadata:
            what = "encrypted" if file.key_metadata else str(file.file_format.value)
            raise InputError(
                f"{name} has the data file {file.file_path}, which is {what}: plain Parquet is read here, and nothing "
                "was. Rewrite the data files as such"
            )
        uri = folder.uri_of(file.file_path)
        yield TableFile(uri, file.file_size_in_bytes, 0, known.labels(task), known.values(task))


_REWRITE = (
    "Rewrite the data files (with Spark: CALL system.rewrite_data_files, with delete-file-threshold => 1), or let the "
    "table delete by copy-on-write"
)


class _Known:
    """What the partition of a file says about the terms of ``partition_by``, and about columns that it may lack."""

    def __init__(self, table: PyicebergTable, schema: Schema, arrow: pa.Schema, by: PartitionBy) -> None:
        self._specs, self._schema, self._arrow, self._by = table.specs(), schema, arrow, by
        self._made: dict[tuple[Term, str, object], str | None] = {}
        self._texts: dict[tuple[str, object], str | None] = {}

    def labels(self, task: FileScanTask) -> tuple[str | None, ...]:
        """For each term its value in all rows of the file; None where the partition does not tell."""
        found: list[str | None] = []
        fields = self._specs[task.file.spec_id].fields
        for term in self._by.terms:
            label = None
            for place, field in enumerate(fields):
                if label is None and self._schema.find_column_name(field.source_id) == term.column:
                    label = self._label(term, str(field.transform), task.file.partition[place])
            found.append(label)
        return tuple(found)

    def _label(self, term: Term, transform: str, value: Any) -> str | None:
        key = (term, transform, value)
        if key not in self._made:
            self._made[key] = self._of_value(term, value) if transform == "identity" else _of_time(term, *key[1:])
        return self._made[key]

    def values(self, task: FileScanTask) -> tuple[tuple[str, str | None], ...]:
        """Columns by which the table is partitioned: files that Hive wrote lack them, and have their values by it."""
        found: dict[str, str | None] = {}
        for place, field in enumerate(self._specs[task.file.spec_id].fields):
            name, value = str(self._schema.find_column_name(field.source_id)), task.file.partition[place]
            if name in self._arrow.names and str(field.transform) == "identity":
                found[name] = self._text(name, value)
        return tuple(found.items())

    def _text(self, name: str, value: Any) -> str | None:
        import pyarrow as pa

        key = (name, value)
        if key not in self._texts:
            try:
                self._texts[key] = self._column(name, value).cast(pa.string())[0].as_py()
            except (pa.ArrowException, TypeError):  # of bytes, which Hive does not have as folders
                self._texts[key] = None
        return self._texts[key]

    def _of_value(self, term: Term, value: Any) -> str | None:
        from airflow_batchscore.data.row_labels import labels

        label: str = labels(term, self._column(term.column, value))[0].as_py()
        return label

    def _column(self, name: str, value: Any) -> pa.Array:
        import pyarrow as pa
        import pyarrow.types as pt

        kind = plain(self._arrow.field(name).type)
        if isinstance(value, int) and (pt.is_date(kind) or pt.is_timestamp(kind)):  # since 1970, in the column's unit
            return pa.array([value], pa.int32() if pt.is_date32(kind) else pa.int64()).cast(kind)
        return pa.array([value], kind)


def _of_time(term: Term, transform: str, value: Any) -> str | None:
    """A part of a date, of a file whose rows are in one year, month, day or hour."""
    made = _TIMES.get(transform)
    if made is None or PART_LENGTHS.get(term.kind, 99) > PART_LENGTHS[transform]:
        return None
    return NO_VALUE if value is None else made(value)[: PART_LENGTHS[term.kind]]


def _month(since: int) -> str:
    return f"{1970 + since // 12:04d}-{since % 12 + 1:02d}"


_TIMES: dict[str, Callable[[int], str]] = {
    "year": lambda since: f"{1970 + since:04d}",
    "month": _month,
    "day": lambda since: (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=since)).isoformat(),
    "hour": lambda since: (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=since)).isoformat(),
}
