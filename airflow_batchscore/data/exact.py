"""Converts Python and pandas values to Arrow without loss.

Arrow infers the type of objects from the first ones and coerces the rest: a time among dates loses its hour, a
nanosecond is truncated, an instant next to a time without a zone becomes one. Casts of times and decimals are lenient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_batchscore.data.halves import cast
from airflow_batchscore.data.type_names import is_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

#: Beyond this, not all integers are floats, so a float may have been rounded.
EXACT_FLOATS = 2**53
#: Message for integers that are not exact as floats.
NO_EXACT_FLOAT = (
    "is not exact as a float. Read it as int64 (read_options={'column_types': ...}), or name the columns that the "
    "recipe needs in Recipe(columns=[...])"
)


#: Message for integers that pandas would round.
ROUNDED_BY_PANDAS = (
    "is above 2**53, and pandas makes floats of integers where one is missing, so it would be rounded. If it is a name "
    "and no quantity, read it as text: read_options={'column_types': {...: 'string'}}"
)


def to_column(values: np.ndarray | pd.Series) -> pa.Array:
    """Convert an array or a Series to an Arrow column of the type Arrow chooses, without changing any value.

    Raises ValueError naming the first bad value and its position if values are of mixed types or unknown to Arrow.
    """
    import pyarrow as pa

    def made(part: np.ndarray | pd.Series) -> pa.Array:
        array = pa.array(part)
        whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        require_as_given(part, whole)
        return whole

    try:
        return made(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        place = _first_bad(values, made)
        where = f"row {place} has {list(values)[place]!r}: " if place is not None else ""
        raise ValueError(f"{where}{error}") from error


def _first_bad(values: np.ndarray | pd.Series, made: Callable[[np.ndarray | pd.Series], object]) -> int | None:
    """The length of the longest prefix of `values` that can be a column."""
    import pyarrow as pa

    by_place = getattr(values, "iloc", values)
    low, high = 0, len(values)
    while low < high:  # the first `low` values are fine
        middle = (low + high) // 2 + 1
        try:
            made(by_place[:middle])
            low = middle
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            high = middle - 1
    return low if low < len(values) else None


def require_as_given(values: np.ndarray | pd.Series, array: pa.Array) -> None:
    """Raise ValueError if `array`, which Arrow made of `values`, differs from them."""
    import pyarrow.types as pt

    kind = array.type
    plain = is_text(kind) or pt.is_boolean(kind) or pt.is_null(kind)
    if str(getattr(values, "dtype", "")) != "object" or plain or pt.is_nested(kind):
        return
    for given, made in zip(values, array.to_pylist(), strict=True):
        both_nan = made != made and given != given
        if made is not None and made != given and not both_nan:
            raise ValueError(f"it is no {kind}, as the values before it are")


def cast_exactly(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast the array to another type; floats may be narrowed.

    Raises:
        pyarrow.ArrowException, ValueError: a value would change.
    """
    import pyarrow.compute as pc
    import pyarrow.types as pt

    if array.type == kind:
        return array
    if pt.is_timestamp(array.type) and pt.is_timestamp(kind) and (array.type.tz is None) != (kind.tz is None):
        raise ValueError(f"{array.type} is no {kind}: one has a zone, the other has none")
    made = cast(array, kind)
    if pt.is_null(array.type) or (pt.is_floating(array.type) and pt.is_floating(kind)):
        return made
    if pt.is_floating(array.type) and pt.is_integer(kind) and _any(pc.greater(pc.abs(array), EXACT_FLOATS)):
        raise ValueError(f"a float above 2**53 may have been rounded, and is no {kind}")
    if _any(pc.not_equal(made.cast(array.type), array)):
        raise ValueError(f"not every value of {array.type} is the same as {kind}")
    return made


def _any(mask: pa.BooleanArray) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(mask).as_py())


def rounded_by_pandas(column: pa.ChunkedArray) -> list[int]:
    """Rows whose integers a frame would round: pandas makes floats of a column in which an integer is missing."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    if not column.null_count or not pt.is_integer(column.type):
        return []
    # Limits of the column's sign: Arrow compares integers of both as int64, which fails above 2**63.
    if pt.is_signed_integer(column.type):
        beyond = pc.or_(pc.greater(column, EXACT_FLOATS), pc.less(column, -EXACT_FLOATS))
    else:
        beyond = pc.greater(column, pa.scalar(EXACT_FLOATS, pa.uint64()))
    return [int(row) for row in np.flatnonzero(pc.fill_null(beyond, False).to_numpy(zero_copy_only=False))]
