"""Results of a model or a function as Arrow columns of the output types: of the right kind, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_batchscore.data.exact import cast_exactly, require_as_given
from airflow_batchscore.data.type_names import is_text
from airflow_batchscore.errors import ScoringError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


class MisfitError(ValueError):
    """A value that cannot be written in a column's type.

    Attributes:
        place: position of the first such value.
    """

    def __init__(self, message: str, place: int) -> None:
        super().__init__(message)
        self.place = place


def as_column(values: np.ndarray | pd.Series, kind: pa.DataType) -> pa.Array:
    """Values (an array, a Series) in a type; what pandas calls missing is null, but NaN among floats stays.

    Raises MisfitError: a value is of another kind (text, number, boolean, time), or would change.
    """
    import pyarrow as pa

    if not len(values):  # pandas gives an empty result any type
        return pa.array([], kind)
    try:
        return _converted(values, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        every = list(values)
        place = next((place for place, value in enumerate(every) if not _fits(value, kind)), 0)
        raise MisfitError(f"row {place} has {_shown(every[place])}: {error}", place) from error


def _fits(value: object, kind: pa.DataType) -> bool:
    import numpy as np
    import pyarrow as pa

    alone = np.empty(1, dtype=object)
    alone[0] = value
    try:
        _converted(alone, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return False
    return True


def _converted(values: np.ndarray | pd.Series, kind: pa.DataType) -> pa.Array:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    numpy_kind = getattr(getattr(values, "dtype", None), "kind", "")
    if numpy_kind == "O" and not pt.is_boolean(kind) and any(isinstance(value, (bool, np.bool_)) for value in values):
        raise TypeError(f"a boolean cannot become {kind}")  # Arrow would take it for 1
    array = pa.array(values, from_pandas=numpy_kind != "f")
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pt.is_dictionary(array.type):
        array = array.dictionary_decode()
    require_as_given(values, array)
    if _kind(array.type) not in ("null", _kind(kind)):
        raise TypeError(f"{array.type} cannot become {kind}")
    if pt.is_floating(array.type) and not pt.is_floating(kind):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    return cast_exactly(array, kind)


def _kind(kind: pa.DataType) -> str:
    import pyarrow.types as pt

    if pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind):
        return "number"
    if is_text(kind):
        return "text"
    if pt.is_timestamp(kind) or pt.is_date(kind):
        return "time"
    return str(kind)


def prediction_column(
    name: str, values: np.ndarray | pd.Series, kind: pa.DataType, row_of: Callable[[int], int], *, allow_nan: bool
) -> pa.Array:
    """A column of predictions in the output type.

    Args:
        row_of: the number within the block of the row that the value at a position belongs to.
        allow_nan: accept missing, NaN and infinite values.

    Raises:
        ScoringError: a value is of another kind, or is missing though required. The first such row is named.
    """
    import numpy as np

    try:
        column = as_column(values, kind)
    except MisfitError as error:
        place = error.place
        raise ScoringError(
            f"the output {name!r} is {kind}, as training found it, but row {row_of(place)} has "
            f"{_shown(values[place])}. Fix the model so that it gives one kind of value, and train it again"
        ) from error
    if allow_nan:
        return column
    bad = _not_there(column)
    if bad is not None:
        place = int(np.flatnonzero(bad)[0])
        raise ScoringError(
            f"{int(bad.sum())} of {len(column)} predictions are NaN, infinite or missing in the output {name!r}; the "
            f"first is {_shown(values[place])} for row {row_of(place)}. Fix the recipe or the model, or accept them "
            "with allow_nan=True"
        )
    return column


def _shown(value: object) -> str:
    """A value as Python writes it, not as ``np.float64(nan)``."""
    import numpy as np

    if isinstance(value, (np.datetime64, np.timedelta64)):
        return str(value)
    return repr(value.item() if isinstance(value, np.generic) else value)


def _not_there(column: pa.Array) -> np.ndarray | None:
    """Where a value is missing, NaN or infinite; None if there is none."""
    import numpy as np
    import pyarrow.types as pt

    mask: np.ndarray
    if not pt.is_floating(column.type):
        if not column.null_count:
            return None
        mask = column.is_null().to_numpy(zero_copy_only=False)
        return mask
    # The sum is finite only if all values are, and costs a third; it can overflow, so if it is not, each is checked.
    values = column.to_numpy(zero_copy_only=False)  # with NaN for null
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return None
    mask = ~np.isfinite(values)
    return mask if mask.any() else None
