"""Names a row's model if there is one model per column value; shared by training and scoring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.data.plain_values import plain_values
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def model_names(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Each value of the column `name` as a string, empty if missing.

    Raises InputError for values without a string form.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    try:
        values = plain_values(column)
        if pt.is_floating(values.type):  # a dataset's files may have floats of several widths
            values = values.cast(pa.float64())
        return pc.fill_null(values.cast(pa.string()), "")
    except pa.ArrowException as error:
        raise InputError(
            f"the column {name!r} is {column.type}, which cannot name models: {error}. Name a column of text or numbers"
        ) from error
