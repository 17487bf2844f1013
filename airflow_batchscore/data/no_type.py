"""Columns without a value at type inference: their type is unknown, so a later value is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.data.type_names import is_text
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

#: Name of their type.
NO_TYPE = "null"


def still_empty(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with Arrow's type ``null``. Raises InputError if it has a value; NaN is not one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    place = pc.index(pc.is_null(column, nan_is_null=True), False).as_py()
    if place >= 0:
        value = repr(column[place].as_py()) if is_text(column.type) else f"{column[place]}, {column.type}"
        raise InputError(
            f"column {name!r} has values here ({value}). It had no value where its type was "
            "found (in training; for a function, in the first rows of the partition), so it may be numbers or text. "
            f"Name its type, PartitionedDataset(read_options={{'column_types': {{{name!r}: 'float64'}}}}); or train "
            "again with rows that have a value; or, if it is not needed, name those that are: columns=[...]"
        )
    return pa.chunked_array([pa.nulls(len(column))])
