"""Checks that a function treats each row independently: it must return the same when rerun on a few of its rows.

Partitions are scored in blocks, and blocks may be cut anywhere. A function that uses neighbouring rows (a mean, a rank,
`shift`, `fillna` with a mean, categories numbered by appearance) would change a row's values with every cut.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import BatchScoreError, RecipeError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.user_code import Made, call

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

_SAMPLE_ROWS = 1000
_QUICK_ROWS = 32
#: Quantiles and the like can be the same in any large share of the rows, but hardly in one of these few.
_FEW_ROWS = (1, 2, 3, 4, 5, 8)
#: Number of rows with a missing value sampled per column: code that fills them in often uses other rows.
_MISSING_ROWS = 2
#: Maximum number of rows tried alone because of missing values.
_MOST_ALONE = 50
#: Noise of vectorised arithmetic, which can depend on a row's position in memory: relative to the number itself, and to
#: the largest number in its column, for the difference of two large ones.
_RELATIVE, _RELATIVE_FLOAT32 = 1e-6, 1e-4
_OF_LARGEST = 1e-9

#: Single-row trials in this process: the digest of a function, and the columns that had missing values.
_tried_alone: set[tuple[str, frozenset[str]]] = set()
_MOST_CASES = 10_000


def check(function: FunctionRef, table: pa.Table, made: Made, *, repeats: bool = False) -> None:
    """Rerun `function` on a shuffled half of a sample of the rows of `table`, and on a few of them at a time.

    Args:
        made: its result for the whole table.

    Raises:
        RecipeError: it returned something else for a row. Names the row and the column.
    """
    import numpy as np

    sample = sample_rows(table)
    _compare(function, table, made, sample[: -(-len(sample) // 2)], repeats=repeats)
    for rows in _FEW_ROWS:
        few, sample = sample[:rows], sample[rows:]
        _compare(function, table, made, few, repeats=repeats)
    for row in _lacking(table):
        _compare(function, table, made, np.array([row]), repeats=repeats)


def check_quickly(
    function: FunctionRef, table: pa.Table, made: Made, *, again: bool = False, repeats: bool = False
) -> None:
    """Rerun `function` on a few rows, and once on one row per set of columns with missing values. Raises like `check`.

    Args:
        again: whether such rows were already checked: then only a table with other missing values is checked.
    """
    # If a column has missing values, pandas may give it another type, and code another result.
    case = (function.digest, frozenset(name for name in table.column_names if table.column(name).null_count))
    is_new = case not in _tried_alone
    if again and not is_new:
        return
    sample = sample_rows(table, _QUICK_ROWS)
    _compare(function, table, made, sample, repeats=repeats)
    if is_new:  # the few include missing values, and so the types, of all columns; one row hardly does
        _compare(function, table, made, sample[:1], repeats=repeats)
        if len(_tried_alone) >= _MOST_CASES:  # several threads add to it
            _tried_alone.clear()
        _tried_alone.add(case)


def _lacking(table: pa.Table) -> list[int]:
    """For each column, a row with a missing value: alone it may have another type (`convert_dtypes`)."""
    import pyarrow.compute as pc

    lacking = [pc.index(pc.is_null(column), True).as_py() for column in table.columns if column.null_count]
    return list(dict.fromkeys(lacking))[:_MOST_ALONE]


def sample_rows(table: pa.Table, size: int = _SAMPLE_ROWS) -> np.ndarray:
    """Numbers of some rows in random order: evenly spaced ones, and some with missing values."""
    import numpy as np
    import pyarrow.compute as pc

    chosen = [np.linspace(0, table.num_rows - 1, min(size, table.num_rows)).astype(np.int64)]
    for column in table.columns[:size]:
        if column.null_count:
            place = pc.index(pc.is_null(column), True).as_py()
            chosen.append(np.arange(place, min(place + _MISSING_ROWS, table.num_rows)))
    return np.random.default_rng(0).permutation(np.unique(np.concatenate(chosen)))


def _compare(function: FunctionRef, table: pa.Table, made: Made, chosen: np.ndarray, *, repeats: bool) -> None:
    import numpy as np
    import pyarrow as pa

    if not len(chosen):
        return
    try:
        # Numbered from 0, to expose a result that depends on the index or matches it by chance.
        again = call(function, table.take(pa.array(chosen)), repeats=repeats, first_row=0)
    except (BatchScoreError, OSError):
        raise
    except Exception as error:
        raise _depends(
            function, f"it worked on {table.num_rows} rows, and raised {type(error).__name__}: {error} on {len(chosen)}"
        ) from error
    rows = np.sort(chosen)
    origin = chosen[again.rows]
    order = np.argsort(origin, kind="stable")
    before, after = _counts(made.rows, rows), _counts(origin[order], rows)
    if (before != after).any():
        place = int(np.flatnonzero(before != after)[0])
        raise _depends(
            function,
            f"it gave {before[place]} rows for row {rows[place]} among {table.num_rows}, and {after[place]} when that "
            f"was one of {len(chosen)}",
        )
    kept = np.isin(made.rows, rows) if repeats else np.searchsorted(made.rows, rows[before > 0])
    left, right = made.frame.iloc[kept], again.frame.iloc[order]
    if set(left.columns) != set(right.columns):
        raise _depends(
            function,
            f"it gave the columns {list(left.columns)} for {table.num_rows} rows, and {list(right.columns)} for "
            f"{len(chosen)} of them",
        )
    difference = first_difference(left, right if left.columns.equals(right.columns) else right[list(left.columns)])
    if difference is not None:
        name, place = difference
        one, other = (plain(frame[name].iloc[place]) for frame in (left, right))
        raise _depends(
            function,
            f"column {name!r} of row {np.repeat(rows, before)[place]} is {one!r} among {table.num_rows} rows, and "
            f"{other!r} when that is one of {len(chosen)}",
        )


def plain(value: object) -> object:
    """A cell for a message: not ``np.float64(1.5)``."""
    return value.item() if hasattr(value, "item") else value


def _depends(function: FunctionRef, what: str) -> RecipeError:
    return RecipeError(
        f"{function.path} does not look at each row alone, or gives other values each time: {what}. A partition is "
        "scored in blocks, so a row's values must not depend on its neighbours (mean, rank, shift, fillna with a mean, "
        "get_dummies, codes of categories), on its place, or on chance. Write such numbers down as constants, or let "
        "the model learn them (StandardScaler, SimpleImputer, OneHotEncoder in a Pipeline); give a Series that is "
        "assigned to the frame index=frame.index. If whole partitions are meant, set row_wise=False"
    )


def _counts(numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """How often each of `rows` occurs in `numbers`, which are ascending."""
    import numpy as np

    return np.searchsorted(numbers, rows, side="right") - np.searchsorted(numbers, rows, side="left")


def first_difference(left: pd.DataFrame, right: pd.DataFrame) -> tuple[Hashable, int] | None:
    """Column and position of the first value that differs."""
    import numpy as np

    dtypes = list(left.dtypes)
    if all(map(_is_number, [*dtypes, *right.dtypes])):  # nearly always; one comparison for all
        exact = all(dtype != np.float32 for dtype in dtypes)
        one, other = left.to_numpy(dtype=float), right.to_numpy(dtype=float)
        differs = ~_same_numbers(one, other, exact=exact)
        whole = [_is_whole(*pair) for pair in zip(dtypes, right.dtypes, strict=True)]
        differs[:, whole] = one[:, whole] != other[:, whole]
        if not differs.any():
            return None
        place, column = (int(number) for number in np.argwhere(differs)[0])
        return left.columns[column], place
    for name in left.columns:
        same = _same_values(left[name], right[name])
        if not same.all():
            return name, int(np.flatnonzero(~same)[0])
    return None


def _is_number(dtype: object) -> bool:
    import numpy as np

    return isinstance(dtype, np.dtype) and dtype.kind in "iufb"


def _is_whole(left: Any, right: Any) -> bool:
    """Whether both are integers: they have no noise, and two labels or ids may lie close to each other."""
    return left.kind in "iu" and right.kind in "iu"


def _same_values(left: pd.Series, right: pd.Series) -> np.ndarray:
    import numpy as np

    if _is_number(left.dtype) and _is_number(right.dtype):
        if _is_whole(left.dtype, right.dtype):
            same: np.ndarray = left.to_numpy() == right.to_numpy()
            return same
        exact = left.dtype != np.float32
        return _same_numbers(left.to_numpy(dtype=float), right.to_numpy(dtype=float), exact=exact)
    pairs = zip(left.astype(object), right.astype(object), strict=True)
    return np.array([_same_value(one, other) for one, other in pairs], dtype=bool)


def _same_value(one: Any, other: Any) -> bool:
    import numpy as np
    import pandas as pd

    if pd.api.types.is_integer(one) and pd.api.types.is_integer(other):
        return bool(one == other)
    if pd.api.types.is_number(one) and pd.api.types.is_number(other):
        return bool(_same_numbers(np.array([one], dtype=float), np.array([other], dtype=float), exact=True)[0])
    if pd.api.types.is_scalar(one) and pd.api.types.is_scalar(other) and pd.isna(one) and pd.isna(other):
        return True
    try:
        same = bool(np.all(one == other))
    except (TypeError, ValueError):  # arrays of different lengths
        same = False
    return same or repr(one) == repr(other)


def _same_numbers(left: np.ndarray, right: np.ndarray, *, exact: bool) -> np.ndarray:
    import numpy as np

    finite = np.where(np.isfinite(left), np.abs(left), 0)
    largest = finite.max(axis=0) if len(left) else 0
    relative = _RELATIVE if exact else _RELATIVE_FLOAT32
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        near = np.abs(left - right) <= relative * finite + _OF_LARGEST * largest
    same: np.ndarray = near | (left == right) | (np.isnan(left) & np.isnan(right))
    return same
