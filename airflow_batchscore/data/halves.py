"""Casts in which a value that does not fit costs its row only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def cast(column: Any, wanted: pa.DataType) -> Any:
    """The column in another type, a decimal as the float that is nearest to it.

    Arrow divides by a power of ten and so rounds twice: 0.57 would become 0.5700000000000001.
    """
    import pyarrow as pa
    import pyarrow.types as pt

    if pt.is_decimal(column.type) and pt.is_floating(wanted):
        column = column.cast(pa.string())
    return column.cast(wanted)


def cast_by_halves(column: pa.Array, wanted: pa.DataType, offset: int = 0) -> tuple[pa.Array, list[int]]:
    """Cast a whole column at once; when that fails, halve it, so that few bad values cost few casts.

    Returns:
        The column with null where a value does not fit, and the numbers of those rows, counted from `offset`.
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
