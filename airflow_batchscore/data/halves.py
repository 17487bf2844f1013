"""Casts in which a value that does not fit costs its row only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def cast_by_halves(column: pa.Array, wanted: pa.DataType, offset: int = 0) -> tuple[pa.Array, list[int]]:
    """Cast a whole column at once; when that fails, halve it, so that few bad values cost few casts.

    Returns:
        The column with null where a value does not fit, and the numbers of those rows, counted from `offset`.
    """
    import pyarrow as pa

    try:
        return column.cast(wanted), []
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if len(column) < 2:
            return pa.nulls(len(column), wanted), [offset] * len(column)
    middle = len(column) // 2
    left, bad_left = cast_by_halves(column.slice(0, middle), wanted, offset)
    right, bad_right = cast_by_halves(column.slice(middle), wanted, offset + middle)
    return pa.concat_arrays([left, right]), bad_left + bad_right
