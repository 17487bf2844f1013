"""Whether two results of a model are the same apart from arithmetic noise."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from airflow_batchscore.training.signature import results

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: Effect that float32, or another summation order, may have: relative to the number and to its column's largest.
_RELATIVE = 1e-4
_OF_LARGEST = 1e-5


def first_unlike(
    estimator: object, method: str, rows: pd.DataFrame, expected: pd.DataFrame, actual: pd.DataFrame, *, ties: bool
) -> tuple[Hashable, int] | None:
    """Column and position of the first value that differs.

    Args:
        estimator: source of `expected` for `rows`: a label may differ if two classes are nearly equally likely.
        ties: whether it may also differ if they are exactly equally likely.
    """
    import numpy as np
    from pandas.api.types import is_numeric_dtype

    labels = method == "predict" and hasattr(estimator, "classes_")
    close = _close_calls(estimator, rows, ties=ties) if labels else np.zeros(len(rows), dtype=bool)
    for name in expected.columns:
        left, right = expected[name], actual[name]
        if labels or not all(is_numeric_dtype(column.dtype) for column in (left, right)):
            wrong = ~close[: len(left)] & np.array(
                [str(one) != str(other) for one, other in zip(left, right, strict=True)]
            )
        else:
            wrong = ~_near(left.to_numpy(dtype=float), right.to_numpy(dtype=float))
        if wrong.any():
            return name, int(np.flatnonzero(wrong)[0])
    return None


def tried(estimator: object, method: str, rows: pd.DataFrame) -> pd.DataFrame | None:
    """The result of a method; None if it is missing or rejects such rows, so that nothing can be compared."""
    if not hasattr(estimator, method):
        return None
    try:
        return results(estimator, rows, method)
    except Exception:
        return None


def _near(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    import numpy as np

    size = np.where(np.isfinite(left), np.abs(left), 0)
    limit = _RELATIVE * size + _OF_LARGEST * size.max(initial=0)
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        same: np.ndarray = (np.abs(left - right) <= limit) | (left == right) | (np.isnan(left) & np.isnan(right))
    return same


def _close_calls(estimator: object, rows: pd.DataFrame, *, ties: bool) -> np.ndarray:
    """Rows with two classes so close to each other that the last digit decides."""
    import numpy as np

    for method in ("predict_proba", "decision_function"):
        values = tried(estimator, method, rows)
        if values is not None:
            ranked = np.sort(values.to_numpy(dtype=float), axis=1)
            margin = ranked[:, -1] - ranked[:, -2] if ranked.shape[1] > 1 else np.abs(ranked[:, 0])
            close: np.ndarray = margin <= _RELATIVE * np.abs(ranked).max(initial=0)
            return close if ties else close & (margin > 0)
    return np.zeros(len(rows), dtype=bool)
