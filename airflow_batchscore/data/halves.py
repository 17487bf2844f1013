"""Casts in which a value that does not fit affects only its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def cast(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Cast the column to another type; a decimal becomes the nearest float.

    Arrow divides by a power of ten and therefore rounds twice: 0.57 would become 0.5700000000000001.
    """
    import pyarrow as pa
    import pyarrow.types as pt

    if pt.is_decimal(column.type) and pt.is_floating(wanted):
        column = column.cast(pa.string())
    return column.cast(wanted)


def cast_by_halves(column: pa.Array, wanted: pa.DataType, offset: int = 0) -> tuple[pa.Array, list[int]]:
    """Cast a whole column at once; on failure halve it, so that a few bad values cost only a few casts.

    Returns:
        The column with null for values that do not fit, and the numbers of those rows, counted from `offset`.
    """
    import pyarrow as pa

    try:
        return cast(column, wanted), []
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if len(column) < 2:
            return pa.nulls(len(column), wanted), [offset] * len(column)
    middle = len(column) // 2
    left, bad_left = cast_by_halves(column.slice(0, middle), wanted, offset)
    right, bad_right = cast_by_halves(column.slice(middle), wanted, offset + middle)
    return pa.concat_arrays([left, right]), bad_left + bad_right
