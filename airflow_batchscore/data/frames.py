"""Arrow tables as the DataFrames that user code gets: each call one of its own, as pandas itself would read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.data.type_names import is_text

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def to_frame(table: pa.Table) -> pd.DataFrame:
    """A new frame with the table's columns and an index from 0.

    It may be changed: it shares no memory with the table, nor with another call's frame. Types go by the table's:
    missing text and truth values are NaN (text is ``object`` in pandas 2, ``str`` in pandas 3), whole numbers with
    missing ones are float64, times keep their unit, a column of which no value was ever seen is float64. So has
    `pandas.read_csv`, but for whole numbers, which readers make floats of before (decision 0004). What pandas noted in
    the metadata of a Parquet file is left aside: an index is a column, and categories and nullable types are what their
    values are; `data.notebook` knows of them.
    """
    import numpy as np
    import pyarrow.types as pt

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
    """Whether Arrow gives None for a missing value, where pandas' own readers give NaN."""
    import pyarrow.types as pt

    return is_text(kind) or bool(pt.is_boolean(kind))
