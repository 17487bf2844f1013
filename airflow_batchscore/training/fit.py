"""Fits an estimator on rows in memory: once, on growing samples, or in a search over a Dask cluster."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from airflow_batchscore.errors import BatchScoreError, ModelError, said
from airflow_batchscore.model.estimators import kind_of
from airflow_batchscore.model.features import text_note
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.model_code import own_code
from airflow_batchscore.model.same_types import Pair
from airflow_batchscore.model.training_record import Candidate, CurvePoint, LearningCurve, Search
from airflow_batchscore.training.metrics import Metric, compute_metrics
from airflow_batchscore.training.rows import Rows

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client

log = logging.getLogger(__name__)

_CURVE_SHARES = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
#: A sample is good enough if its score is within this relative distance of the score on all rows.
_GOOD_ENOUGH = 0.01
_SMALLER_IS_BETTER = ("rmse", "mae")
_MOST_CANDIDATES = 200


@dataclass(frozen=True)
class Fitted:
    """The result of fitting.

    Attributes:
        features: rows used for fitting, or a sample of them.
        rows_read, rows_trained: totals.
        test: rows to measure on.
        measured_on: description of those rows.
        pair: see `Rows`.
        learning_curve, search, watched: see `TrainingRecord`.
    """

    estimator: object
    features: pd.DataFrame
    rows_read: int
    rows_trained: int
    test: Rows
    measured_on: str
    pair: Pair | None = None
    learning_curve: LearningCurve | None = None
    search: Search | None = None
    watched: Sequence[str] | None = None


def make_estimator(estimator: object) -> object:
    """A fresh estimator from a factory's import path, a factory, or an unfitted estimator.

    Raises:
        ModelError: the factory fails, or its result cannot be fitted.
    """
    from sklearn.base import clone

    estimator = call_factory(estimator)
    if not hasattr(estimator, "fit"):
        raise ModelError(f"{type(estimator).__name__} has no fit: give a scikit-learn compatible estimator")
    return clone(estimator, safe=False)


def call_factory(estimator: object) -> object:
    """The result of a factory (or its import path); any other object is returned unchanged."""
    if is_factory(estimator):
        ref = FunctionRef.of(estimator)
        try:
            return ref.load()()
        except BatchScoreError:
            raise
        except Exception as error:
            raise ModelError(f"the estimator factory {ref.path} failed: {type(error).__name__}: {error}") from error
    return estimator


def is_factory(estimator: object) -> TypeGuard[str | Callable[..., object]]:
    """Whether it makes an estimator: an import path, a class or a function."""
    made = hasattr(estimator, "get_params") or hasattr(estimator, "predict")
    return isinstance(estimator, (str, type)) or (callable(estimator) and not made)


def fit(estimator: Any, rows: Rows, keys: Sequence[str], client: Client | None = None) -> None:
    """Fit in place. With `client`, what joblib distributes (searches, forests with ``n_jobs``) runs on its cluster.

    Args:
        keys: partition keys, for messages.

    Raises:
        ModelError: the estimator raises, or a classifier has only one class to learn.
        EngineError: a cluster worker has different code for the estimator's own classes.
    """
    refuse_one_class(estimator, rows.labels, keys)
    if client is not None:
        _require_on_workers(client, estimator)
    try:
        with _spread(client):
            # Copies, because an estimator may modify its input, and the rows are measured and profiled afterwards.
            if rows.labels is None:
                estimator.fit(rows.features.copy())
            else:
                estimator.fit(rows.features.copy(), rows.labels.copy())
    except Exception as error:
        raise ModelError(
            f"{type(estimator).__name__} could not be fitted on {len(rows.features)} rows of {', '.join(keys)}: "
            f"{said(error)}{text_note(rows.features, error)}"
        ) from error


def _require_on_workers(client: Client, estimator: object) -> None:
    """Check workers' code, since joblib sends classes by name. Workers that join later load the then current code."""
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
        # scikit-learn sends its warning filters along. If the cluster cannot import a filter's class (Airflow's),
        # joblib would wait forever: it is not told what a scheduler cannot unpickle.
        warnings.filters[:] = [entry for entry in warnings.filters if entry[2].__module__ == "builtins"]  # type: ignore[index]
        yield


def refuse_one_class(estimator: object, labels: pd.Series | None, keys: Sequence[str]) -> None:
    """Raise ModelError if all labels of a classifier are the same."""
    if labels is not None and labels.ndim == 1 and kind_of(estimator) == "classifier" and labels.nunique() == 1:
        raise ModelError(
            f"all {len(labels)} labels of {', '.join(keys)} are {labels.iloc[0]}: there is nothing to tell apart. "
            "Train on partitions that hold every class, or fix the recipe's target"
        )


def warn_of_classes(estimator: object, test: Rows) -> None:
    """Log classes among the held-out labels that the model has never seen and so will never predict."""
    import numpy as np

    known = getattr(estimator, "classes_", None)
    if test.labels is None or test.labels.ndim != 1 or not isinstance(known, np.ndarray) or known.ndim != 1:
        return
    labels = test.labels.unique()
    if known.dtype.kind in "iuf" and all(isinstance(label, (bool, np.bool_)) for label in labels):
        labels = labels.astype(known.dtype)  # XGBoost numbers the classes
    unseen = sorted(set(map(str, labels)) - set(map(str, known)))
    if unseen:
        log.warning(
            "the held-out rows have the classes %s, which no training row has: the model will never predict them. "
            "Train on partitions that hold every class",
            ", ".join(unseen[:20]),
        )


def learning_curve(
    estimator: object,
    rows: Rows,
    test: Rows,
    metrics: Sequence[Metric] | None,
    keys: Sequence[str],
    client: Client | None,
) -> tuple[LearningCurve, object]:
    """Fit growing samples of the rows.

    Returns:
        The scores, and the estimator fitted on the last sample, which is all rows.

    Raises:
        ModelError: there is nothing to measure with, or there are too few rows.
    """
    import numpy as np
    from sklearn.base import clone

    order = np.random.default_rng(0).permutation(len(rows.features))
    sizes = sorted({max(2, round(share * len(order))) for share in _CURVE_SHARES})
    points, name = list[CurvePoint](), ""
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
        scores = compute_metrics(made, test, metrics)
        if not scores:
            raise ModelError(f"learning_curve: there is no metric for {type(made).__name__}; name one in metrics=")
        name, value = next(iter(scores.items()))
        points.append(CurvePoint(size, value))
    return LearningCurve(name, points, _enough(name, points)), made


def _enough(metric: str, points: Sequence[CurvePoint]) -> int:
    whole = points[-1].score
    sign = -1.0 if metric in _SMALLER_IS_BETTER else 1.0
    margin = _GOOD_ENOUGH * abs(whole)
    return next(point.rows for point in points if sign * (point.score - whole) >= -margin)


def search_of(estimator: object) -> Search | None:
    """The result of a scikit-learn search; None if the estimator is none, or has no score."""
    if not hasattr(estimator, "best_params_") or not hasattr(estimator, "cv_results_"):
        return None
    results = estimator.cv_results_
    score = next((name for name in ("mean_test_score", *results) if name.startswith("mean_test_")), None)
    if score is None:
        return None
    order = sorted(range(len(results["params"])), key=lambda place: -float(results[score][place]))
    return Search(
        best=_as_text(estimator.best_params_),
        candidates=[
            Candidate(_as_text(results["params"][place]), float(results[score][place]))
            for place in order[:_MOST_CANDIDATES]
        ],
    )


def _as_text(params: Mapping[str, object]) -> dict[str, str]:
    return {name: repr(value) for name, value in params.items()}
