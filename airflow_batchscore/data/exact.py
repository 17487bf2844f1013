"""Python's and pandas' values as Arrow's, without losing anything on the way.

Arrow guesses the type of objects from the first ones and bends the others to it: a time beside dates loses its hour, a
nanosecond is cut off, an instant beside a time without a zone becomes one. A cast is lenient with times and decimals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.halves import cast
from airflow_batchscore.data.type_names import is_text

if TYPE_CHECKING:
    import pyarrow as pa

#: Whole numbers beyond it are not all floats, so a float there may be one that was rounded.
EXACT_FLOATS = 2**53


def to_column(values: Any) -> pa.Array:
    """An array or a Series as an Arrow column of the type that Arrow chooses, every value the same.

    Raises ValueError, naming the first bad value and its place: values are of several kinds, or none that Arrow knows.
    """
    import pyarrow as pa

    def made(some: Any) -> pa.Array:
        array = pa.array(some)
        whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        require_as_given(some, whole)
        return whole

    try:
        return made(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        place = _first_bad(values, made)
        said = f"row {place} has {list(values)[place]!r}: " if place is not None else ""
        raise ValueError(f"{said}{error}") from error


def _first_bad(values: Any, made: Callable[[Any], Any]) -> int | None:
    """The place behind the longest beginning of `values` that can be a column."""
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


def require_as_given(values: Any, array: pa.Array) -> None:
    """Raises ValueError where `array`, which Arrow made of `values`, has something else than they have."""
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
    """The array in another type; floats may become narrower ones.

    Raises:
        pyarrow.ArrowException, ValueError: a value would not be the same.
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


def _any(found: pa.BooleanArray) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(found).as_py())
