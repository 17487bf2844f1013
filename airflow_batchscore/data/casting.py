"""Arrow columns in the types that they are to be read with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_batchscore.data.csv_reader import arrow_type
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def cast_columns(table: pa.Table, columns: Mapping[str, str | None], what: str) -> pa.Table:
    """The table with the types that are to be read. Raises InputError, naming `what`, where one does not fit."""
    import pyarrow as pa

    for place, (name, type_name) in enumerate(columns.items()):
        if type_name is None or table.schema.field(name).type == arrow_type(type_name):
            continue
        found = table.schema.field(name).type
        try:
            table = table.set_column(place, name, table.column(name).cast(arrow_type(type_name)))
        except pa.ArrowException as error:
            raise InputError(
                f"{what}: column {name!r} is {found}, the model was trained on {type_name} ({error})"
            ) from error
    return table
