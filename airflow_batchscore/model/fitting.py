"""Fit an estimator on rows that are in memory: once, on growing samples, or in a search over a Dask cluster."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import BatchScoreError, ModelError, said
from airflow_batchscore.model.features import text_note
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.measure import Metric, kind_of, measure
from airflow_batchscore.model.model_code import own_code
from airflow_batchscore.model.same_types import Pair
from airflow_batchscore.model.training_rows import Rows

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client

log = logging.getLogger(__name__)

_CURVE_SHARES = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
#: A sample is good enough when its score is this near to that of all rows, relatively.
_GOOD_ENOUGH = 0.01
_SMALLER_IS_BETTER = ("rmse", "mae")
_MOST_CANDIDATES = 200


@dataclass(frozen=True)
class Fitted:
    """What came of fitting.

    Attributes:
        features: rows that it was fitted on, or a sample of them.
        rows_read, rows_trained: of all there were.
        test: rows to measure on.
        measured_on: how to call those.
        facts: ``learning_curve`` and ``search``, where there was one.
        pair: see `Rows`.
    """

    estimator: Any
    features: pd.DataFrame
    rows_read: int
    rows_trained: int
    test: Rows
    measured_on: str
    facts: dict[str, Any] = field(default_factory=dict)
    pair: Pair | None = None


def make_estimator(estimator: Any) -> Any:
    """A fresh estimator from a factory's import path, a factory, or an unfitted estimator.

    Raises:
        ModelError: the factory fails, or what it makes cannot be fitted.
    """
    from sklearn.base import clone

    estimator = call_factory(estimator)
    if not hasattr(estimator, "fit"):
        raise ModelError(f"{type(estimator).__name__} has no fit: give a scikit-learn compatible estimator")
    return clone(estimator, safe=False)


def call_factory(estimator: Any) -> Any:
    """What a factory (or its import path) makes; an object that is no factory as it is."""
    if is_factory(estimator):
        ref = FunctionRef.of(estimator)
        try:
            return ref.load()()
        except BatchScoreError:
            raise
        except Exception as error:
            raise ModelError(f"the estimator factory {ref.path} failed: {type(error).__name__}: {error}") from error
    return estimator


def is_factory(estimator: Any) -> bool:
    """Whether it makes an estimator: an import path, a class or a function."""
    made = hasattr(estimator, "get_params") or hasattr(estimator, "predict")
    return isinstance(estimator, (str, type)) or (callable(estimator) and not made)


def fit(estimator: Any, rows: Rows, keys: Sequence[str], client: Client | None = None) -> None:
    """Fit in place. With `client`, what joblib spreads (searches, forests with ``n_jobs``) runs on its cluster.

    Args:
        keys: of the partitions, for messages.

    Raises:
        ModelError: the estimator raises, or a classifier has one class to learn.
        EngineError: a worker of the cluster has other code of the estimator's own classes.
    """
    refuse_one_class(estimator, rows.labels, keys)
    if client is not None:
        _require_on_workers(client, estimator)
    try:
        with _spread(client):
            # Copies: an estimator may change what it is given, and the rows are measured and profiled afterwards.
            if rows.labels is None:
                estimator.fit(rows.features.copy())
            else:
                estimator.fit(rows.features.copy(), rows.labels.copy())
    except Exception as error:
        raise ModelError(
            f"{type(estimator).__name__} could not be fitted on {len(rows.features)} rows of {', '.join(keys)}: "
            f"{said(error)}{text_note(rows.features)}"
        ) from error


def _require_on_workers(client: Client, estimator: Any) -> None:
    """What joblib sends there names its classes; workers that come later load the code that is there now."""
    own = [FunctionRef(path).pinned() for path in own_code(estimator)]
    if own:
        client.run(_verify, own)


def _verify(refs: Sequence[FunctionRef]) -> None:
    for ref in refs:
        ref.verified()


@contextlib.contextmanager
def _spread(client: Client | None) -> Iterator[None]:
    if client is None:
        yield
        return
    import joblib

    with client.as_current(), joblib.parallel_config(backend="dask", n_jobs=-1), warnings.catch_warnings():
        # scikit-learn sends them along. One whose class the cluster cannot import (Airflow's) would be waited for for
        # ever: joblib does not hear of what a scheduler cannot unpickle.
        warnings.filters[:] = [entry for entry in warnings.filters if entry[2].__module__ == "builtins"]  # type: ignore[index]
        yield


def refuse_one_class(estimator: Any, labels: pd.Series | None, keys: Sequence[str]) -> None:
    """Raises ModelError when all labels of a classifier are the same."""
    if labels is not None and labels.ndim == 1 and kind_of(estimator) == "classifier" and labels.nunique() == 1:
        raise ModelError(
            f"all {len(labels)} labels of {', '.join(keys)} are {labels.iloc[0]}: there is nothing to tell apart. "
            "Train on partitions that hold every class, or fix the recipe's target"
        )


def warn_of_classes(estimator: Any, test: Rows) -> None:
    """Log the classes among the held-out labels that the model has never seen, and so will never predict."""
    import numpy as np

    known = getattr(estimator, "classes_", None)
    if test.labels is None or test.labels.ndim != 1 or not isinstance(known, np.ndarray) or known.ndim != 1:
        return
    labels = test.labels.unique()
    if known.dtype.kind in "iuf" and all(isinstance(label, (bool, np.bool_)) for label in labels):
        labels = labels.astype(known.dtype)  # XGBoost counts them
    unseen = sorted(set(map(str, labels)) - set(map(str, known)))
    if unseen:
        log.warning(
            "the held-out rows have the classes %s, which no training row has: the model will never predict them. "
            "Train on partitions that hold every class",
            ", ".join(unseen[:20]),
        )


def learning_curve(
    estimator: Any, rows: Rows, test: Rows, metrics: Sequence[Metric] | None, keys: Sequence[str], client: Client | None
) -> tuple[dict[str, Any], Any]:
    """Scores of fits on growing samples of the rows, and the smallest that was good enough.

    Returns:
        ``{"metric", "points": [{"rows", "score"}, ...], "enough": rows}``, every score of the same held-out rows; and
        the estimator of the last sample, which is all rows.

    Raises:
        ModelError: there is nothing to measure with, or the rows are too few.
    """
    import numpy as np
    from sklearn.base import clone

    order = np.random.default_rng(0).permutation(len(rows.features))
    sizes = sorted({max(2, round(share * len(order))) for share in _CURVE_SHARES})
    points, name = [], ""
    for size in sizes:
        places = np.sort(order[:size])
        labels = None if rows.labels is None else rows.labels.iloc[places]
        sample = Rows(rows.features.iloc[places], labels, rows.read)
        made = clone(estimator, safe=False)
        try:
            fit(made, sample, keys, client)
        except ModelError as error:
            if size == sizes[-1]:
                raise
            log.info("learning curve: left out %d rows: %s", size, error)
            continue
        found = measure(made, test, metrics)
        if not found:
            raise ModelError(f"learning_curve: there is no metric for {type(made).__name__}; name one in metrics=")
        name, value = next(iter(found.items()))
        points.append({"rows": size, "score": value})
    return {"metric": name, "points": points, "enough": _enough(name, points)}, made


def _enough(metric: str, points: Sequence[dict[str, Any]]) -> int:
    whole = points[-1]["score"]
    sign = -1.0 if metric in _SMALLER_IS_BETTER else 1.0
    margin = _GOOD_ENOUGH * abs(whole)
    return int(next(point["rows"] for point in points if sign * (point["score"] - whole) >= -margin))


def search_facts(estimator: Any) -> dict[str, Any]:
    """What a scikit-learn search found: the best parameters, their score, and the candidates, best first."""
    if not hasattr(estimator, "best_params_") or not hasattr(estimator, "cv_results_"):
        return {}
    results = estimator.cv_results_
    score = next((name for name in ("mean_test_score", *results) if name.startswith("mean_test_")), None)
    if score is None:
        return {}
    order = sorted(range(len(results["params"])), key=lambda place: -float(results[score][place]))
    return {
        "search": {
            "best": {name: repr(value) for name, value in estimator.best_params_.items()},
            "candidates": [
                {
                    "params": {name: repr(value) for name, value in results["params"][place].items()},
                    "score": float(results[score][place]),
                }
                for place in order[:_MOST_CANDIDATES]
            ],
        }
    }
