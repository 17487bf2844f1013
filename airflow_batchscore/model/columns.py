"""A method's result as named columns: by class, by pair of classes, by feature, or by position.

A column is named after a class only if the estimator's contract says that it belongs to that class.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_batchscore.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

_BY_CLASS = ("predict_proba", "predict_log_proba", "decision_function")

#: scikit-learn wrappers (and their subclasses) that pass on a `decision_function` unchanged, and whose it is.
_HANDS_ON = {
    "BaseSearchCV": "best_estimator_",
    "BaseThresholdClassifier": "estimator_",
    "BaggingClassifier": "estimator_",
    "FrozenEstimator": "estimator",
    "RFE": "estimator_",
    "SelfTrainingClassifier": "estimator_",
    "StackingClassifier": "final_estimator_",
}


class Pair(NamedTuple):
    """Two classes to tell apart: a value above 0 favours `first`."""

    first: object
    second: object


class OutputColumn(NamedTuple):
    """A column of a method's result; `label` is what it represents: a class, a `Pair`, a feature name, or None."""

    name: str
    label: object
    values: np.ndarray


def columns_of(estimator: object, values: object, method: str) -> list[OutputColumn]:
    """Split a method's result into columns, each as long as the input.

    One-dimensional results are called ``prediction``. Two-dimensional ones have a column per class if the estimator
    names its classes (``prediction_<class>``), a column per pair of classes for the ``decision_function`` of an `SVC`
    with ``decision_function_shape="ovo"`` (``prediction_<a>_vs_<b>``, above 0 for a), a column per name if the result
    or the estimator's transform names them, otherwise one column per position (``prediction_0``). A list of results, as
    from multi-output classifiers, has ``prediction_<output>_<class>``.

    Raises:
        ModelError: the result has more than two dimensions.
    """
    import numpy as np

    if isinstance(values, (list, tuple)) and values and all(np.ndim(value) == 2 for value in values):
        return _by_output(estimator, values)
    array = _plain_array(values)
    if array.ndim == 1:
        return [OutputColumn("prediction", None, array)]
    if array.ndim != 2:
        raise ModelError(f"{method} gave an array of {array.ndim} dimensions; 1 or 2 can be scored")
    if method in _BY_CLASS:
        labels = _classes(estimator, method, array.shape[1])
    else:
        labels = _features(estimator, values) if method == "transform" else None
    single = method.startswith("predict_") and labels is not None and len(labels) == 1
    if array.shape[1] == 1 and not single:
        return [OutputColumn("prediction", None, array[:, 0])]
    return _named(labels, array)


def _plain_array(values: Any) -> np.ndarray:
    """A result as an array that is neither sparse nor masked."""
    import numpy as np

    return np.asarray(values.toarray() if hasattr(values, "toarray") else _unmasked(values))


def _unmasked(values: object) -> object:
    """Masked values are missing; the fill value is not used."""
    import numpy as np

    if not np.ma.isMaskedArray(values) or not np.ma.is_masked(values):
        return values
    plain = np.ma.getdata(values).astype(float if values.dtype.kind in "iuf" else object)
    plain[np.ma.getmaskarray(values)] = np.nan if plain.dtype == float else None
    return plain


def _by_output(estimator: object, values: Sequence[object]) -> list[OutputColumn]:
    classes = getattr(estimator, "classes_", None)
    columns = []
    for output, value in enumerate(values):
        labels = None if classes is None or len(classes) != len(values) else _flat(classes[output])
        for column in _named(labels, _plain_array(value)):
            columns.append(column._replace(name=f"prediction_{output}{column.name.removeprefix('prediction')}"))
    return columns


def _named(labels: Sequence[object] | None, array: np.ndarray) -> list[OutputColumn]:
    width = array.shape[1]
    labels = labels if labels is not None and len(labels) == width else [None] * width
    return [
        OutputColumn(f"prediction_{text}", label, array[:, place])
        for place, (text, label) in enumerate(zip(_texts(labels), labels, strict=True))
    ]


def _texts(labels: Sequence[object]) -> list[str]:
    """Labels as parts of column names: plain if that keeps them distinct, else exact, else by position."""
    if None not in labels:
        for text in (_plain, _exact):
            texts = [text(label) for label in labels]
            if len(set(texts)) == len(texts):
                return texts
    return [str(place) for place in range(len(labels))]


def _plain(label: object) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", _exact(label))


def _exact(label: object) -> str:
    return f"{label.first}_vs_{label.second}" if isinstance(label, Pair) else str(label)


def _classes(estimator: object, method: str, columns: int) -> list[object] | None:
    """What the columns of a classifier's method belong to: its classes, or pairs of them; None if unknown."""
    classes = _flat(getattr(estimator, "classes_", None))
    shape = _shape(estimator) if method == "decision_function" and classes is not None and columns > 1 else "ovr"
    if shape == "ovo" and classes is not None:
        return [Pair(*pair) for pair in combinations(classes, 2)]
    return classes if shape == "ovr" else None


def _shape(estimator: object) -> str | None:
    """Whether a decision function has a column per class (``"ovr"``) or pair (``"ovo"``); None if unknown."""
    steps = getattr(estimator, "steps", None)
    if steps:
        return _shape(steps[-1][1])
    for kind in type(estimator).__mro__:
        if kind.__name__ in _HANDS_ON and kind.__module__.startswith("sklearn."):
            return _shape(getattr(estimator, _HANDS_ON[kind.__name__]))
    if hasattr(estimator, "decision_function_shape"):
        return str(estimator.decision_function_shape)
    if type(estimator).__module__.startswith("sklearn.") or not hasattr(estimator, "get_params"):
        return "ovr"
    # A third-party wrapper: it may or may not pass on the pairs of the estimator inside.
    held = estimator.get_params(deep=True)
    pairs = any(name.endswith("__decision_function_shape") and value == "ovo" for name, value in held.items())
    return None if pairs else "ovr"


def _flat(classes: Any) -> list[object] | None:
    """The classes as a list; None if there are none, or one list for each of several outputs."""
    import numpy as np

    known = isinstance(classes, (list, tuple, np.ndarray))
    return list(classes) if known and not any(np.ndim(label) for label in classes) else None


def _features(estimator: Any, values: object) -> list[object] | None:
    if hasattr(values, "columns"):
        return list(values.columns)
    try:
        return list(estimator.get_feature_names_out())
    except Exception:  # many transformers cannot, and they fail in different ways
        return None
