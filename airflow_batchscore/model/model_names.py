"""What names a row's model where there is one for each value of a column: training and scoring ask here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.data.plain_values import plain_values
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def model_names(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """The text of each value of the column `name`, empty where it is missing.

    Raises InputError for values that have no text.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    try:
        values = plain_values(column)
        if pt.is_floating(values.type):  # the files of a data set may have floats of several widths
            values = values.cast(pa.float64())
        return pc.fill_null(values.cast(pa.string()), "")
    except pa.ArrowException as error:
        raise InputError(
            f"the column {name!r} is {column.type}, which cannot name models: {error}. Name a column of text or numbers"
        ) from error
