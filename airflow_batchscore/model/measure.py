"""What a fitted estimator is like: its metrics, the columns it gives, and its reference profile."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import ModelError, said
from airflow_batchscore.model.columns import OutputColumn, Pair, columns_of
from airflow_batchscore.model.digest import code_digest
from airflow_batchscore.model.features import text_note
from airflow_batchscore.model.outputs import METHODS
from airflow_batchscore.model.training_rows import Rows
from airflow_batchscore.model.user_code import result_of
from airflow_batchscore.quality import profile

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

Metric = str | Callable[..., float]

_PROFILE_ROWS = 50_000
_TRIAL_ROWS = 64
#: Errors in the label's own unit, which scikit-learn's scorers only have with their sign turned.
_ERRORS = {"rmse": "root_mean_squared_error", "mae": "mean_absolute_error"}


def metric_names(metrics: Sequence[Metric] | None) -> list[str]:
    """What identifies metrics: a name, or the digest of a function."""
    return [
        metric if isinstance(metric, str) else code_digest(metric, f"the metric {getattr(metric, '__name__', metric)}")
        for metric in metrics or ()
    ]


def measure(estimator: Any, rows: Rows, metrics: Sequence[Metric] | None, fitted: Any = None) -> dict[str, float]:
    """Metric -> value on labelled rows.

    Args:
        metrics: names of scikit-learn's scorers, ``"rmse"``, ``"mae"``, or functions ``(estimator, features, labels)``;
            None is accuracy for classifiers and r2 for regressors.
        fitted: what says which of them it is, where a file's format does not.

    Raises:
        ModelError: a metric is unknown, fails, or is not a finite number.
    """
    import math

    import pandas as pd

    if rows.labels is None:
        return {}
    if metrics is None:
        known = {"classifier": ["accuracy"], "regressor": ["r2"]}
        metrics = known.get(kind_of(estimator if fitted is None else fitted), [])
    found = {}
    for metric in metrics:
        name = metric if isinstance(metric, str) else metric.__name__
        try:
            value = _scorer(metric)(estimator, rows.features.copy(), rows.labels.copy())
            found[name] = float(value)
        except Exception as error:
            raise ModelError(f"metric {name!r} failed: {type(error).__name__}: {error}") from error
        if not math.isfinite(found[name]):
            labels = _few(pd.unique(rows.labels.to_numpy().ravel()))
            raise ModelError(
                f"metric {name!r} is {found[name]} on {len(rows.features)} rows with the labels {labels}: it "
                "cannot be held to a limit. Choose another, or measure on other rows (holdout=)"
            )
    return found


def kind_of(estimator: Any) -> str:
    """``"classifier"``, ``"regressor"``, or something else, also of what is no estimator of scikit-learn."""
    from sklearn.base import is_classifier, is_regressor

    if not hasattr(estimator, "__sklearn_tags__"):
        return "other"
    return "classifier" if is_classifier(estimator) else "regressor" if is_regressor(estimator) else "other"


def _few(values: Any) -> str:
    texts = sorted(map(str, values))
    return ", ".join(texts[:5]) + (" ..." if len(texts) > 5 else "")


def _scorer(metric: Metric) -> Callable[..., float]:
    import sklearn.metrics as known

    if not isinstance(metric, str):
        return metric
    if metric in _ERRORS:
        error = getattr(known, _ERRORS[metric])
        return lambda estimator, features, labels: error(labels, estimator.predict(features))
    scorer: Callable[..., float] = known.get_scorer(metric)
    return scorer


def output_types(estimator: Any, features: pd.DataFrame) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, Any]]]:
    """For each method of the estimator its output columns with their Arrow types, and with what they stand for."""
    import pyarrow as pa

    types: dict[str, dict[str, str]] = {}
    labels: dict[str, dict[str, Any]] = {}
    for method in METHODS:
        if hasattr(estimator, method):
            columns = _outputs(estimator, features.head(100), method)
            types[method] = {column.name: str(pa.array(column.values).type) for column in columns}
            named = {column.name: _as_json(column.label) for column in columns if column.label is not None}
            labels |= {method: named} if named else {}
            if any(name == f"prediction_{at}" != f"prediction_{named[name]}" for at, name in enumerate(named)):
                log.warning("two of the labels %s of %s look the same: its columns go by place", named, method)
    return types, labels


def _as_json(label: Any) -> Any:
    """A label as JSON has it: a pair as a list, what JSON does not know as text."""
    if isinstance(label, Pair):
        return [_as_json(label.first), _as_json(label.second)]
    plain = label.item() if hasattr(label, "item") else label
    return plain if isinstance(plain, (str, bool, int)) else str(plain)


def matrix_methods(estimator: Any, features: pd.DataFrame) -> tuple[str, ...]:
    """Methods that give the same for a plain matrix: those of a model that picks columns by name do not."""
    import numpy as np
    import pandas as pd
    import pandas.api.types as pt

    if not all(pt.is_numeric_dtype(features[name].dtype) for name in features):
        return ()
    whole = features.astype(float).dropna()
    sample = whole.iloc[:: max(1, len(whole) // _TRIAL_ROWS)].head(_TRIAL_ROWS)
    # Column by column in memory, as scoring builds it: the last digit of a product can depend on that.
    matrix = np.asfortranarray(sample.to_numpy())
    frame = pd.DataFrame(matrix, columns=sample.columns)
    found = []
    for method in METHODS if len(sample) else ():
        call = getattr(estimator, method, None)
        if call is None:
            continue
        try:
            with np.errstate(divide="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # scikit-learn's about names
                same = np.array_equal(call(frame.copy()), call(matrix.copy(order="K")))
        except Exception:  # whatever a model raises that cannot do without names
            same = False
        if same:
            found.append(method)
    return tuple(found)


def results(estimator: Any, features: pd.DataFrame, method: str) -> pd.DataFrame:
    """What a method gives for some rows: a column for each output."""
    import pandas as pd

    return pd.DataFrame({column.name: column.values for column in _outputs(estimator, features, method)})


def _outputs(estimator: Any, features: pd.DataFrame, method: str) -> list[OutputColumn]:
    import numpy as np

    try:
        with np.errstate(divide="ignore"):  # the logarithm of a probability of 0
            values = result_of(estimator, method, features.copy())
    except Exception as error:
        raise ModelError(
            f"{method} of {type(estimator).__name__} failed on {len(features)} rows: {said(error)}{text_note(features)}"
        ) from error
    return columns_of(estimator, values, method)


def reference_profile(estimator: Any, features: pd.DataFrame) -> dict[str, Any]:
    """Bins and counts of the training features, and of what each method gives for them."""
    sample = features.iloc[:: max(1, -(-len(features) // _PROFILE_ROWS))]
    bins = profile.make_bins(sample)
    outputs: dict[str, Any] = {}
    for method in METHODS:
        if method in ("transform", "predict_log_proba") or not hasattr(estimator, method):
            continue
        columns = results(estimator, sample, method)
        output_bins = profile.make_bins(columns)
        outputs[method] = {"bins": output_bins, "counts": profile.count(columns, output_bins)}
    return {"features": {"bins": bins, "counts": profile.count(sample, bins)}, "outputs": outputs}
