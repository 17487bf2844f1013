"""Whether a file's columns are those of a table whose columns were renamed: Iceberg tells columns by number."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_batchscore.data.formats.base import ReadSettings, Source
from airflow_batchscore.data.formats.parquet_footer import input_footer
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError

_ID = b"PARQUET:field_id"


def require_names(source: Source, settings: ReadSettings, table: Mapping[int, str], version: str) -> None:
    """Raise InputError for a file that calls a column of the table by another name, or another column by its name.

    Args:
        table: number -> name of the table's columns.
        version: of the table, for messages.
    """
    schema = input_footer(Location(source.uri, settings.conn_id), source.stamp).schema.to_arrow_schema()
    names = {*table.values()}
    for field in schema:
        number = (field.metadata or {}).get(_ID)
        expected = None if number is None else table.get(int(number))
        if number is None and field.name in names:
            problem = f"has no number for its column {field.name}"
        elif expected is not None and expected != field.name:
            problem = f"calls the column {expected} by its old name, {field.name}"
        elif expected is None and field.name in names:
            problem = f"has a column {field.name} that was dropped before another was given its name"
        else:
            continue
        raise InputError(
            f"{source.uri} {problem}: columns of the table were renamed since, and {version} was not read, because "
            "files are read by name here. Rewrite the data files (with Spark: CALL system.rewrite_data_files, with "
            "rewrite-all => true)"
        )
