"""What an estimator's methods give, as named columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_batchscore.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

Method = Literal["predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "score_samples"]
METHODS: tuple[str, ...] = get_args(Method)


def check_method(estimator: Any, method: str, what: str) -> None:
    """Raises ModelError when `method` is unknown or the estimator has none of that name."""
    if method not in METHODS:
        raise ModelError(f"method={method!r} is unknown; use one of {', '.join(METHODS)}")
    if not hasattr(estimator, method):
        has = [name for name in METHODS if hasattr(estimator, name)]
        raise ModelError(f"{what}: {type(estimator).__name__} has no {method}; it has {', '.join(has)}")


def output_columns(estimator: Any, values: Any, method: str) -> dict[str, np.ndarray]:
    """One array a column, each as long as the input.

    One-dimensional results are called ``prediction``. Two-dimensional ones have a column a class where the estimator
    names its classes (``prediction_<class>``), else a column a place (``prediction_0``).
    """
    import numpy as np

    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1:
        return {"prediction": array}
    if array.ndim != 2:
        raise ModelError(f"{method} gave an array of {array.ndim} dimensions; 1 or 2 can be scored")
    classes = getattr(estimator, "classes_", None)
    named = method in ("predict_proba", "predict_log_proba", "decision_function")
    if named and isinstance(classes, np.ndarray) and len(classes) == array.shape[1]:
        names = [re.sub(r"[^A-Za-z0-9_.-]+", "_", str(value)) for value in classes]
    else:
        names = [str(place) for place in range(array.shape[1])]
    if len(set(names)) != len(names):
        names = [str(place) for place in range(array.shape[1])]
    return {f"prediction_{name}": array[:, place] for place, name in enumerate(names)}
