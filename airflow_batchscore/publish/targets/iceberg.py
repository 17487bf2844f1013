"""An Iceberg table, by pyiceberg, in any catalog that pyiceberg knows.

The record's number is the table property ``batchscore.record``. Iceberg's partition columns stand in the data files:
each file gets them in front of the columns of its parts, whose bytes stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, real
from airflow_batchscore.data.tables.iceberg_catalog import load
from airflow_batchscore.data.tables.kinds import Iceberg
from airflow_batchscore.data.tables.table_storage import place_of
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.targets.seen_table import Commit, SeenTable, key_of
from airflow_batchscore.publish.targets.table_files import DataFile
from airflow_batchscore.publish.targets.table_target import TableTarget
from airflow_batchscore.publish.targets.table_types import table_type

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile as PyicebergFile
    from pyiceberg.table import Table as PyicebergTable
    from pyiceberg.table import Transaction

_RECORD = "batchscore.record"
_RUN = "batchscore.run"
_DAY_0 = date(1970, 1, 1).toordinal()


def _value(stored: object, is_date: bool) -> object:
    """A partition's value; dates are stored as days since 1970."""
    return date.fromordinal(_DAY_0 + stored) if is_date and isinstance(stored, int) else stored


class IcebergTarget(TableTarget):
    """An Iceberg table whose location is the output's folder."""

    fields_in_files = True
    own_folders: Sequence[str] = ("metadata",)
    table: Iceberg

    def __init__(self, location: Location, table: Iceberg) -> None:
        super().__init__(location, table)
        try:
            import pyiceberg.catalog  # noqa: F401
        except ImportError as error:
            raise OutputError(
                f"{location}: Iceberg tables need pyiceberg: pip install 'airflow-batchscore[iceberg]' on the workers"
            ) from error
        place = place_of(location)
        self._place = f"file://{place}" if location.is_local else place

    def _catalog(self) -> Catalog:
        return load(self.table, self.location)

    def look(self) -> SeenTable | None:
        """See `TableTarget.look`."""
        from pyiceberg.exceptions import NoSuchTableError
        from pyiceberg.io.pyarrow import schema_to_pyarrow
        from pyiceberg.types import DateType

        try:
            table = self._catalog().load_table(self.table.name)
        except NoSuchTableError:
            return None
        if real(table.location()) != real(self._place):
            raise OutputError(
                f"not published: the table {self.table.name} of the catalog {self.table.catalog} lies at "
                f"{table.location()}. Let output_uri name that folder"
            )
        fields = self._fields(table)
        dates = [isinstance(table.schema().find_type(name), DateType) for name in fields]
        files: dict[str, dict[str, Any]] = {}
        for task in table.scan().plan_files():
            if task.file.spec_id != table.metadata.default_spec_id:
                raise OutputError(
                    f"not published: {self.table.name} has files of an earlier partition spec, whose partitions are "
                    "not this run's. Rewrite its data files, or publish to a new table"
                )
            values = [_value(task.file.partition[place], is_date) for place, is_date in enumerate(dates)]
            # Rows that another program deleted make it another file.
            name = "+".join([task.file.file_path, *sorted(one.file_path for one in task.delete_files)])
            files.setdefault(key_of(fields, values), {})[name] = task.file
        snapshot = table.current_snapshot()
        return SeenTable(
            version=str(snapshot.snapshot_id) if snapshot else "",
            state=table.metadata_location,
            types={
                field.name: table_type(field.type)
                for field in schema_to_pyarrow(table.schema(), include_field_ids=False)
            },
            fields=fields,
            files=files,
            record=table.properties.get(_RECORD, ""),
            handle=table,
        )

    def commit(self, commit: Commit) -> str:
        """See `TableTarget.commit`: the files that leave and those that come are one snapshot."""
        from pyiceberg.io.pyarrow import parquet_file_to_data_file
        from pyiceberg.table import TableProperties

        if commit.seen is None:
            change = self._created(commit)
        else:
            table: PyicebergTable = commit.seen.handle
            # In memory only: a retry would put the files into the other's version without deciding again.
            table.metadata.properties[TableProperties.COMMIT_NUM_RETRIES] = "0"
            change = table.transaction()
        properties = {_RECORD: commit.record}
        if change.table_metadata.name_mapping() is None:  # the files have names, no field ids
            names = change.table_metadata.schema().name_mapping.model_dump_json()
            properties[TableProperties.DEFAULT_NAME_MAPPING] = names
        change.set_properties(properties)
        io, metadata = change._table.io, change.table_metadata

        def entered(file: DataFile) -> PyicebergFile:
            return parquet_file_to_data_file(io, metadata, self.name_in_table(file))

        try:
            added = storage.each(entered, commit.added, self.location.uri)
        except ValueError as error:  # such as nulls in a required column
            raise OutputError(f"not published: the scores do not fit {self.table.name}: {error}") from error
        # A snapshot also where no file changes: only that makes two publications of the same table conflict.
        with change.update_snapshot(snapshot_properties={_RUN: commit.run}).overwrite() as snapshot:
            for file in commit.removed_files:
                snapshot.delete_data_file(file)
            for file in added:
                snapshot.append_data_file(file)
        change.commit_transaction()
        return str(snapshot.snapshot_id)

    def _created(self, commit: Commit) -> Transaction:
        import pyarrow as pa

        catalog, namespace = self._catalog(), self.table.name.rpartition(".")[0]
        if not catalog.namespace_exists(namespace):
            raise OutputError(
                f"not published: the catalog {self.table.catalog} has no namespace {namespace}. Create it there first"
            )
        schema = pa.schema([field.with_nullable(True) for field in commit.table.schema])
        change = catalog.create_table_transaction(self.table.name, schema, location=self._place)
        with change.update_spec() as spec:
            for name in commit.fields:
                spec.add_identity(name)
        return change

    def folder_of(self, key: str) -> str:
        """One for all: a path with values would hide the column of the file from who reads it alone."""
        return "data"

    def name_in_table(self, file: DataFile) -> str:
        """See `TableTarget.name_in_table`."""
        return f"{self._place}/{file.path}"

    def _fields(self, table: PyicebergTable) -> list[str]:
        """The columns that it is partitioned by. Raises OutputError if a partition is not one value of each."""
        from pyiceberg.transforms import IdentityTransform

        spec, schema = table.spec(), table.schema()
        others = [str(field) for field in spec.fields if not isinstance(field.transform, IdentityTransform)]
        if others:
            raise OutputError(
                f"not published: {self.table.name} is partitioned by {', '.join(others)}; a run replaces whole "
                "partitions, so that only the values of columns (identity) can be used"
            )
        return [str(schema.find_column_name(field.source_id)) for field in spec.fields]
