"""Normalises column values to compare rows: equal values get the same form, whatever their type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.data.common_type import plain

if TYPE_CHECKING:
    import pyarrow as pa


def plain_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with values of a `plain` type: -0.0 is 0.0, NaN is null.

    Half floats, which Arrow cannot compare, become float32.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    kind = plain(column.type)
    column = column if column.type == kind else column.cast(kind)
    if pt.is_float16(kind):
        column = column.cast(pa.float32())
    if pt.is_floating(column.type):
        zero = pa.scalar(0, column.type)
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        column = pc.if_else(pc.equal(column, zero), zero, column)
    return column
