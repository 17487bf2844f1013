"""Metrics of a fitted estimator on labelled rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.digest import code_digest
from airflow_batchscore.model.estimators import kind_of
from airflow_batchscore.training.rows import Rows

Metric = str | Callable[..., float]

#: Errors in the label's own unit, which scikit-learn's scorers only offer negated.
_ERRORS = {"rmse": "root_mean_squared_error", "mae": "mean_absolute_error"}


def metric_names(metrics: Sequence[Metric] | None) -> list[str]:
    """What identifies metrics: a name, or the digest of a function."""
    return [
        metric if isinstance(metric, str) else code_digest(metric, f"the metric {_name(metric)}")
        for metric in metrics or ()
    ]


def compute_metrics(
    estimator: object, rows: Rows, metrics: Sequence[Metric] | None, fitted: object = None
) -> dict[str, float]:
    """Metric -> value on labelled rows.

    Args:
        metrics: names of scikit-learn's scorers, ``"rmse"``, ``"mae"``, or functions ``(estimator, features, labels)``;
            None is accuracy for classifiers and r2 for regressors.
        fitted: tells which of the two applies if a file's format does not.

    Raises:
        ModelError: a metric is unknown, fails, is not a finite number, or has another one's name.
    """
    import math

    import pandas as pd

    if rows.labels is None:
        return {}
    if metrics is None:
        known = {"classifier": ["accuracy"], "regressor": ["r2"]}
        metrics = known.get(kind_of(estimator if fitted is None else fitted), [])
    measured: dict[str, float] = {}
    seen: dict[str, Metric] = {}
    for metric in metrics:
        name = _name(metric)
        if seen.setdefault(name, metric) != metric:
            raise ModelError(f"two metrics are called {name!r}: give each function a name of its own")
        try:
            value = _scorer(metric)(estimator, rows.features.copy(), rows.labels.copy())
            measured[name] = float(value)
        except Exception as error:
            raise ModelError(f"metric {name!r} failed: {type(error).__name__}: {error}") from error
        if not math.isfinite(measured[name]):
            labels = _few(pd.unique(rows.labels.to_numpy().ravel()))
            raise ModelError(
                f"metric {name!r} is {measured[name]} on {len(rows.features)} rows with the labels {labels}: it "
                "cannot be held to a limit. Choose another, or measure on other rows (holdout=)"
            )
    return measured


def _name(metric: Metric) -> str:
    """A scorer's name; that of the function inside one made by ``make_scorer`` or ``partial``."""
    if isinstance(metric, str):
        return metric
    inner = getattr(metric, "_score_func", getattr(metric, "func", metric))
    return str(getattr(inner, "__name__", type(inner).__name__))


def _few(values: Iterable[object]) -> str:
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
