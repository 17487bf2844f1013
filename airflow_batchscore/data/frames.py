"""Converts Arrow tables to the DataFrames user code receives: a new one per call, as pandas itself would read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.data.exact import ROUNDED_BY_PANDAS, rounded_by_pandas
from airflow_batchscore.data.type_names import is_text
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Return a new frame with the table's columns and an index from 0.

    It may be modified: it shares no memory with the table or with another call's frame. Types follow the table's:
    missing text and Booleans are NaN (text is ``object`` in pandas 2, ``str`` in pandas 3), integers with missing
    values are float64, times keep their unit, a column without any value so far is float64. `pandas.read_csv` does the
    same, except that readers here have already turned integers into floats (decision 0004). What pandas stored in a
    Parquet file's metadata is ignored: an index is a column, and categories and nullable types are read as their
    values; `data.notebook` handles them.

    Raises InputError for an integer above 2**53 beside a missing one: pandas would round it.
    """
    import numpy as np
    import pyarrow.types as pt

    for name, column in zip(table.column_names, table.columns, strict=True):
        for row in rounded_by_pandas(column):
            raise InputError(f"column {name!r}: {column[row]} {ROUNDED_BY_PANDAS}")
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    for place, column in enumerate(table.columns):
        if pt.is_null(column.type):
            frame.isetitem(place, np.full(table.num_rows, np.nan))
        elif column.null_count and _is_none_where_missing(column.type) and frame.dtypes.iloc[place].kind == "O":
            values = frame.iloc[:, place].to_numpy(dtype=object, copy=True)
            values[column.is_null().to_numpy()] = np.nan
            frame.isetitem(place, values)
    return frame


def _is_none_where_missing(kind: pa.DataType) -> bool:
    """Whether Arrow gives None for a missing value where pandas' own readers give NaN."""
    import pyarrow.types as pt

    return is_text(kind) or bool(pt.is_boolean(kind))
