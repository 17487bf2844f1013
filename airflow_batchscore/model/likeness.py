"""Whether two results of a model are alike: the same but for the noise of arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_batchscore.model.measure import results

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: What float32, or a sum in another order, may do to a number: of itself, and of the largest one of its column.
_RELATIVE = 1e-4
_OF_LARGEST = 1e-5


def first_unlike(
    estimator: Any, method: str, rows: pd.DataFrame, expected: pd.DataFrame, found: pd.DataFrame, *, ties: bool
) -> tuple[Any, int] | None:
    """Column and place of the first value that is another one.

    Args:
        estimator: what gave `expected` for `rows`: a label may be another one where two classes are nearly as likely.
        ties: also where they are exactly so.
    """
    import numpy as np
    from pandas.api.types import is_numeric_dtype

    labels = method == "predict" and hasattr(estimator, "classes_")
    close = _close_calls(estimator, rows, ties=ties) if labels else np.zeros(len(rows), dtype=bool)
    for name in expected.columns:
        left, right = expected[name], found[name]
        if labels or not all(is_numeric_dtype(one.dtype) for one in (left, right)):
            wrong = ~close[: len(left)] & np.array(
                [str(one) != str(other) for one, other in zip(left, right, strict=True)]
            )
        else:
            wrong = ~_near(left.to_numpy(dtype=float), right.to_numpy(dtype=float))
        if wrong.any():
            return name, int(np.flatnonzero(wrong)[0])
    return None


def tried(estimator: Any, method: str, rows: pd.DataFrame) -> pd.DataFrame | None:
    """What a method gives; None where it is not there or does not take such rows: nothing can be asked of it then."""
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


def _close_calls(estimator: Any, rows: pd.DataFrame, *, ties: bool) -> np.ndarray:
    """Rows where two classes are so near to each other that the last digit decides."""
    import numpy as np

    for method in ("predict_proba", "decision_function"):
        values = tried(estimator, method, rows)
        if values is not None:
            ranked = np.sort(values.to_numpy(dtype=float), axis=1)
            margin = ranked[:, -1] - ranked[:, -2] if ranked.shape[1] > 1 else np.abs(ranked[:, 0])
            close: np.ndarray = margin <= _RELATIVE * np.abs(ranked).max(initial=0)
            return close if ties else close & (margin > 0)
    return np.zeros(len(rows), dtype=bool)
