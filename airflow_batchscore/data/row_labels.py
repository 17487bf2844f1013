"""The value of a `partition_by.Term` in each row, as text: the same for the same value in every format.

A value's text is a number without zeros that say nothing (``7``, also of the float 7.0 and the decimal 7.00), a date
or a time (``2026-04-01 05:00:00``, with a fraction of a second if it has one), ``true`` or ``false``; text stays as it
is. Text of blanks alone is no value. A float is the shortest number that it is in its width: 0.1, also where 32 bits
hold it. Whole floats beyond 2**53 are no exact numbers and keep an exponent.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_batchscore.data.crc32 import crc32_of
from airflow_batchscore.data.partition_by import NO_VALUE, PART_LENGTHS, Term
from airflow_batchscore.data.type_names import is_text
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

#: A date in ISO 8601, and a time if there is one, with or without a zone.
_ISO = (
    r"^\d{4}-\d{2}-\d{2}([T ]\d{2}(:?[0-5]\d(:?([0-5]\d|60)([.,]\d+)?)?)?"  # 60: a leap second
    r"\s*(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?)?$"
)
_COMPACT = r"^\d{8}$"
_WHOLE = r"^[+-]?\d+(\.0*)?$"
#: Zeros behind the fraction of a second, before a zone or the end.
_NO_FRACTION = r"(?:\.0+|(\.\d*[1-9])0*)(Z|[+-]\d{2}:?\d{2})?$"
#: Digits that every 64-bit integer has room for.
_SAFE_DIGITS = 18
_EXACT = 2.0**53


def labels(term: Term, column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Text for each row, `NO_VALUE` for a missing value and for one that the term cannot read.

    Raises InputError for a column of a type that no value of could be read, such as a list.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if is_text(column.type):
        text = column.cast(pa.string())
        column = pc.if_else(pc.equal(pc.utf8_trim_whitespace(text), ""), pa.scalar(None, pa.string()), text)
    made = {"value": _texts, "mod": _remainders, "hash": _buckets}.get(term.kind, _dates)(term, column)
    return pc.fill_null(made, NO_VALUE)


def _refused(term: Term, column: pa.Array, expected: str) -> InputError:
    return InputError(
        f"partition_by: the column {term.column!r} is {column.type}, but {term.kind} needs {expected}. Divide the rows "
        'by another column, or by their number: partition_by="_row % 10"'
    )


def _texts(term: Term, column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    kind = column.type
    if is_text(kind):
        return column
    if pt.is_floating(kind):
        narrow = not pt.is_float64(kind)
        values = map(float, map(str, column.to_numpy(zero_copy_only=False))) if narrow else column.to_pylist()
        return pa.array([_number(value) for value in values], pa.string())
    if pt.is_integer(kind) or pt.is_boolean(kind) or pt.is_date(kind) or pt.is_null(kind):
        return column.cast(pa.string())
    if pt.is_timestamp(kind) or pt.is_time(kind):
        return pc.replace_substring_regex(column.cast(pa.string()), _NO_FRACTION, r"\1\2")
    if pt.is_decimal(kind):
        distinct = column.cast(pa.string()).dictionary_encode()
        texts = [_decimal(text) for text in distinct.dictionary.to_pylist()]
        return pa.array(texts, pa.string()).take(distinct.indices)
    raise _refused(term, column, "numbers, text, dates or true and false")


def _number(value: float | None) -> str | None:
    if value is None or math.isnan(value):
        return None
    if value.is_integer() and abs(value) <= _EXACT:
        return str(int(value))
    return _decimal(repr(value)) if abs(value) < 1 else repr(value)


def _decimal(text: str | None) -> str | None:
    """A number without an exponent, and without zeros behind its fraction."""
    if text is None:
        return None
    written = format(Decimal(text), "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


def _buckets(term: Term, column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = _texts(term, column)
    # A bucket must be the same in every process, version and tool: Python's hash() is not.
    buckets = pa.array(crc32_of(texts) % term.buckets).cast(pa.string())
    return pc.if_else(texts.is_valid(), buckets, pa.scalar(None, pa.string()))


def _remainders(term: Term, column: pa.Array) -> pa.Array:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    kind = column.type
    if pt.is_decimal(kind):
        column, kind = _texts(term, column), pa.string()
    if pt.is_null(kind):
        return column.cast(pa.string())
    if pt.is_integer(kind):
        wide = column if pt.is_uint64(kind) else column.cast(pa.int64())
        numbers, valid = pc.fill_null(wide, 0), column.is_valid()
    elif pt.is_floating(kind):
        floats = column.cast(pa.float64())
        valid = pc.fill_null(pc.and_(pc.equal(floats, pc.floor(floats)), pc.less_equal(pc.abs(floats), _EXACT)), False)
        numbers = pc.if_else(valid, floats, 0.0).cast(pa.int64())
    elif is_text(kind):
        return _remainders_of_text(term, column)
    else:
        raise _refused(term, column, "whole numbers")
    remainders = np.mod(numbers.to_numpy(zero_copy_only=False), numbers.type.to_pandas_dtype()(term.buckets))
    return pc.if_else(valid, pa.array(remainders).cast(pa.string()), pa.scalar(None, pa.string()))


def _remainders_of_text(term: Term, column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(column)
    fits = pc.and_(pc.match_substring_regex(text, _WHOLE), pc.less_equal(pc.utf8_length(text), _SAFE_DIGITS))
    plain = pc.replace_substring_regex(text, r"^\+|\.0*$", "")
    numbers = pc.if_else(pc.fill_null(fits, False), plain, pa.scalar(None, pa.string())).cast(pa.int64())
    made = _remainders(term, numbers)
    if made.null_count == column.null_count:
        return made
    # What is no number, and numbers of any length.
    return pa.array(
        [
            known if known is not None or cell is None else _long_remainder(cell, term.buckets)
            for known, cell in zip(made.to_pylist(), text.to_pylist(), strict=True)
        ],
        pa.string(),
    )


def _long_remainder(cell: str, buckets: int) -> str | None:
    match = re.fullmatch(r"([+-]?\d{1,4000})(\.0*)?", cell, re.ASCII)
    return str(int(match[1]) % buckets) if match else None


def _dates(term: Term, column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    kind = column.type
    if pt.is_null(kind):
        return column.cast(pa.string())
    if pt.is_date(kind) or pt.is_timestamp(kind):
        # Of a time with a zone, the part of the wall clock there.
        moments = pc.local_timestamp(column) if pt.is_timestamp(kind) and kind.tz else column
        cut = pc.floor_temporal(moments.cast(pa.timestamp("s")) if pt.is_date(kind) else moments, unit=term.kind)
        distinct = cut.dictionary_encode()
        texts = [_moment(value, term) for value in distinct.dictionary]
        return pa.array(texts, pa.string()).take(distinct.indices)
    if pt.is_integer(kind):
        column, kind = column.cast(pa.string()), pa.string()
    if pt.is_floating(kind):
        column, kind = _texts(term, column), pa.string()
    if not is_text(kind):
        raise _refused(term, column, "dates: as such, as 2026-04-01 (with or without a time), or as 20260401")
    return _dates_of_text(term, column)


def _moment(value: pa.Scalar, term: Term) -> str | None:
    try:
        return _written(value.as_py(), term)
    except (ValueError, OverflowError):  # outside Python's years
        return None


def _dates_of_text(term: Term, column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(column)
    text = pc.if_else(
        pc.match_substring_regex(text, _COMPACT),
        pc.replace_substring_regex(text, r"^(....)(..)(..)$", r"\1-\2-\3"),
        text,
    )
    text = pc.if_else(pc.match_substring_regex(text, _ISO), text, pa.scalar(None, pa.string()))
    # Few hours are distinct, even where every time is.
    hours = pc.utf8_slice_codeunits(text, 0, PART_LENGTHS["hour"]).dictionary_encode()
    texts = [None if cell is None else _part(cell, term) for cell in hours.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(hours.indices)


def _part(cell: str, term: Term) -> str | None:
    try:
        return _written(datetime.fromisoformat(cell), term)
    except ValueError:  # the 31st of February
        return None


def _written(moment: datetime, term: Term) -> str:
    # Not strftime, which does not fill years up with zeros.
    return moment.isoformat()[: PART_LENGTHS[term.kind]]
