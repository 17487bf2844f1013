"""Calls user functions on rows: each call gets its own frame, and its result is matched to rows by the index.

The same rule applies to recipes, targets and functions. The index of each frame begins beyond `FIRST_ROW`, which no
reset, merge or foreign index resembles, and at a different value for every call: a result whose index was lost, or that
was made of another call's rows (kept by the function, or another thread's), is always refused and never assigned to
other rows.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.formats.base import Dtypes
from airflow_batchscore.data.frames import to_frame
from airflow_batchscore.data.notebook import with_types
from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.ignored_warnings import ignored

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class Made:
    """A function's result for some rows.

    Attributes:
        frame: the result in row order, with an index from 0.
        rows: for each row of `frame`, the number of the row it comes from, ascending.
    """

    frame: pd.DataFrame
    rows: np.ndarray


#: Where indices begin. No id, time or count resembles it, so an index lost on the way (reset, merged away, sorted) is
#: never mistaken for the frame's own. Floats hold it exactly.
FIRST_ROW = 3_141_592_653_589_793
#: Distance between the indices of two calls, and calls until they repeat: floats hold all of them exactly.
_ROWS_APART, _CALLS = 1 << 32, 1 << 20
_calls = itertools.count()
#: scikit-learn's warning for every batch. Columns come in the model's order, so they need no names.
_FEATURE_NAMES = "X (does not have valid|has) feature names"


def call(
    function: FunctionRef,
    table: pa.Table,
    *,
    repeats: bool = False,
    first_row: int | None = None,
    dtypes: Dtypes | None = None,
) -> Made:
    """Call `function` with the rows of `table`.

    Args:
        repeats: whether it may return several rows for one.
        first_row: where the frame's index begins; None chooses a value that no other call uses.
        dtypes: columns to pass with pandas' own types, as in a notebook.

    Raises:
        RecipeError: the result is not a DataFrame or Series, has a duplicate column, or lost the index. The function's
            own exceptions pass through.
    """
    import pandas as pd

    if first_row is None:
        first_row = FIRST_ROW + next(_calls) % _CALLS * _ROWS_APART
    loaded, frame = function.load(), to_frame(table)
    if dtypes:
        frame = with_types(frame, dtypes)
    frame.index = pd.RangeIndex(first_row, first_row + len(frame))
    with in_one_process():
        result = loaded(frame)
    made = as_frame(result, function.path)
    numbers = _numbers(made, table.num_rows, function.path, first_row)
    return _in_order(made, numbers, function.path, repeats=repeats)


@contextmanager
def in_one_process() -> Iterator[None]:
    """End any forked child that leaves the block: otherwise two processes would go on writing the same files."""
    here = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != here:
            os._exit(1)


def result_of(estimator: object, method: str, features: Any) -> object:
    """The result of an estimator's method, in row order.

    Args:
        features: a matrix, or a frame whose index counts from 0. The method may modify them.
    """
    import numpy as np

    with in_one_process(), ignored(_FEATURE_NAMES):
        values = getattr(estimator, method)(features)
    if not (hasattr(values, "iloc") and hasattr(features, "iloc")):
        return values
    index = values.index.to_numpy()
    if index.dtype.kind not in "iu" or len(index) != len(features) or (np.diff(index) > 0).all():
        return values
    order = np.argsort(index, kind="stable")  # sorted by something else, with its index kept
    return values.iloc[order] if (index[order] == np.arange(len(index))).all() else values


def as_frame(result: object, path: str) -> pd.DataFrame:
    """A function's result as a DataFrame. Raises RecipeError if it is something else or has a duplicate column."""
    import pandas as pd

    if isinstance(result, pd.Series):
        result = result.to_frame()
    if not isinstance(result, pd.DataFrame):
        raise RecipeError(
            f"{path} returned {type(result).__name__}, which does not say which row each value belongs to. Return a "
            "DataFrame or a Series with the index of the frame: pd.Series(values, index=frame.index), "
            "pd.DataFrame(values, index=frame.index, columns=[...])"
        )
    twice = sorted({str(name) for name in result.columns[result.columns.duplicated()]})
    if twice:
        raise RecipeError(f"{path} returned more than one column named {twice}; give each a name of its own")
    return result


def _numbers(made: pd.DataFrame, rows: int, path: str, first_row: int) -> np.ndarray:
    """The row that each row of a result comes from, by its index. Raises RecipeError for a foreign index."""
    import numpy as np
    import pandas as pd

    index = made.index
    if not len(index):
        return np.array([], dtype=np.int64)
    if isinstance(index, pd.MultiIndex) or not pd.api.types.is_integer_dtype(index.dtype) or index.hasnans:
        raise _lost(made, path)
    numbers: np.ndarray = index.to_numpy(dtype=np.int64) - first_row
    if numbers.min() < 0 or numbers.max() >= rows:
        raise _lost(made, path)
    return numbers


def _in_order(made: pd.DataFrame, numbers: np.ndarray, path: str, *, repeats: bool) -> Made:
    """A result in the order of its source rows. Raises RecipeError if it repeats a row."""
    import numpy as np
    import pandas as pd

    if (numbers[1:] < numbers[:-1]).any():
        order = np.argsort(numbers, kind="stable")
        made, numbers = made.iloc[order], numbers[order]
    if not repeats and (same := numbers[1:] == numbers[:-1]).any():
        place = int(numbers[1:][same][0])
        raise RecipeError(
            f"{path} returned {int((numbers == place).sum())} rows for row {place} of those it was given; it may leave "
            "rows out, but makes at most one of each. A merge or an explode multiplies rows: take doubles out of the "
            "other table before a merge"
        )
    made = made.copy(deep=False)  # the user's own object keeps its index
    made.index = pd.RangeIndex(len(numbers))
    return Made(made, numbers)


def _lost(frame: pd.DataFrame, path: str) -> RecipeError:
    begins = ", ".join(map(repr, frame.index[:3].tolist()))
    return RecipeError(
        f"{path} lost the index of its rows: what it returned ({len(frame)} rows) has an index that begins with "
        f"{begins}, which is not the frame's, so values could go to other rows. Keep the index: use dropna(), "
        "sort_values() and query() without reset_index and ignore_index, "
        "merge(..., how='left').set_axis(frame.index), groupby(...).transform(...), and "
        "pd.DataFrame(values, index=frame.index) for new frames"
    )
