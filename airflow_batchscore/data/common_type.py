"""Finds one type for a column whose files disagree: one that holds every value exactly, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.data.type_names import is_text

if TYPE_CHECKING:
    import pyarrow as pa

_UNITS = ("s", "ms", "us", "ns")


def plain(kind: pa.DataType) -> pa.DataType:
    """The value type of a dictionary, the plain equivalent of a view, or any other type unchanged.

    Arrow can neither sort views nor take rows from them.
    """
    import pyarrow as pa
    import pyarrow.types as pt

    kind = kind.value_type if pt.is_dictionary(kind) else kind
    if pt.is_string_view(kind):
        return pa.string()
    return pa.binary() if pt.is_binary_view(kind) else kind


def common_type(kinds: Sequence[pa.DataType]) -> pa.DataType | None:
    """The type that holds the values of all of `kinds`, or None if there is none, as for numbers and text.

    Integers of several widths become int64 (unsigned ones uint64). So do integers next to floats, because pandas turns
    integers into floats when one is missing; a value that is fractional or too large then does not fit. Times take the
    finest unit. Times in several zones have no common type, and neither do dates and times.
    """
    import pyarrow as pa
    import pyarrow.types as pt

    distinct = list(dict.fromkeys(plain(kind) for kind in kinds if not pt.is_null(kind)))
    if len(distinct) < 2:
        return distinct[0] if distinct else pa.null()
    if all(map(pt.is_floating, distinct)):
        return pa.float64()
    if all(pt.is_integer(kind) or pt.is_floating(kind) for kind in distinct):
        return pa.uint64() if all(map(pt.is_unsigned_integer, distinct)) else pa.int64()
    if all(map(pt.is_decimal, distinct)):
        return _decimal(distinct)
    if all(map(is_text, distinct)):
        return pa.large_string()
    if all(map(pt.is_date, distinct)):
        return pa.date32()
    return _finest(distinct)


def _decimal(kinds: Sequence[pa.DataType]) -> pa.DataType | None:
    import pyarrow as pa

    scale = max(kind.scale for kind in kinds)
    digits = max(kind.precision - kind.scale for kind in kinds) + scale
    if digits > 76:
        return None
    return pa.decimal128(digits, scale) if digits <= 38 else pa.decimal256(digits, scale)


def _finest(kinds: Sequence[pa.DataType]) -> pa.DataType | None:
    import pyarrow as pa
    import pyarrow.types as pt

    if all(map(pt.is_timestamp, kinds)) and len({kind.tz for kind in kinds}) == 1:
        return pa.timestamp(max((kind.unit for kind in kinds), key=_UNITS.index), kinds[0].tz)
    if all(map(pt.is_duration, kinds)):
        return pa.duration(max((kind.unit for kind in kinds), key=_UNITS.index))
    return None
