"""Metrics of a fitted estimator on labelled rows."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import f1_score, make_scorer

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import tags
from airflow_batchscore.training.metrics import compute_metrics, metric_names
from airflow_batchscore.training.rows import Rows

pytestmark = pytest.mark.unit

FEATURES = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]})
CLASSES = pd.Series(["no", "no", "yes", "no", "yes", "yes"])
NUMBERS = pd.Series([0.0, 2.5, 3.5, 6.5, 8.0, 9.0])


def _classifier() -> Any:
    return LogisticRegression().fit(FEATURES, CLASSES)


def _regression() -> Any:
    return LinearRegression().fit(FEATURES, NUMBERS)


def test_metrics_default_to_the_kind_of_estimator() -> None:
    classifier, regression = _classifier(), _regression()
    right = (classifier.predict(FEATURES) == CLASSES).mean()
    assert compute_metrics(classifier, Rows(FEATURES, CLASSES), None) == {"accuracy": pytest.approx(right)}
    assert compute_metrics(regression, Rows(FEATURES, NUMBERS), None) == {
        "r2": pytest.approx(regression.score(FEATURES, NUMBERS))
    }
    assert compute_metrics(KMeans(2, n_init=1).fit(FEATURES), Rows(FEATURES, NUMBERS), None) == {}


def test_the_fitted_estimator_tells_the_kind_if_what_was_loaded_does_not() -> None:
    class Loaded:
        def predict(self, features: pd.DataFrame) -> Any:
            return _classifier().predict(features)

        def __sklearn_tags__(self) -> Any:
            return tags(None)

    assert compute_metrics(Loaded(), Rows(FEATURES, CLASSES), None) == {}
    right = (_classifier().predict(FEATURES) == CLASSES).mean()
    assert compute_metrics(Loaded(), Rows(FEATURES, CLASSES), ["accuracy"]) == {"accuracy": pytest.approx(right)}
    assert compute_metrics(Loaded(), Rows(FEATURES, CLASSES), None, _classifier()) == {"accuracy": pytest.approx(right)}


def test_errors_are_in_the_unit_of_the_label() -> None:
    missed = _regression().predict(FEATURES) - NUMBERS
    measured = compute_metrics(_regression(), Rows(FEATURES, NUMBERS), ["rmse", "mae"])
    assert measured == pytest.approx({"rmse": np.sqrt((missed**2).mean()), "mae": missed.abs().mean()})


def test_a_function_is_a_metric_by_its_name_and_cannot_change_the_rows() -> None:
    def worst(estimator: Any, features: pd.DataFrame, labels: pd.Series) -> float:
        features["a"] = 0.0
        labels[:] = 0.0
        return 7

    rows = Rows(FEATURES.copy(), NUMBERS.copy())
    assert compute_metrics(_regression(), rows, [worst, "r2"])["worst"] == 7.0
    assert rows.features.equals(FEATURES)
    assert rows.labels is not None
    assert rows.labels.equals(NUMBERS)


def test_scorers_and_partial_functions_are_called_after_the_function_inside() -> None:
    def share(estimator: Any, features: pd.DataFrame, labels: pd.Series, wanted: str) -> float:
        return float((labels == wanted).mean())

    class Constant:
        def __call__(self, estimator: Any, features: pd.DataFrame, labels: pd.Series) -> float:
            return 3.0

    metrics = [make_scorer(f1_score, pos_label="yes"), partial(share, wanted="no"), Constant()]
    measured = compute_metrics(_classifier(), Rows(FEATURES, CLASSES), metrics)
    expected = f1_score(CLASSES, _classifier().predict(FEATURES), pos_label="yes")
    assert measured == {"f1_score": pytest.approx(expected), "share": 0.5, "Constant": 3.0}


def test_a_metric_does_not_take_the_place_of_another_of_its_name() -> None:
    two = [lambda estimator, features, labels: 1.0, lambda estimator, features, labels: 2.0]
    with pytest.raises(ModelError, match="two metrics are called '<lambda>': give each function a name of its own"):
        compute_metrics(_regression(), Rows(FEATURES, NUMBERS), two)


def test_a_scorer_does_not_take_the_place_of_a_function_of_its_name_and_one_given_twice_counts_once() -> None:
    def accuracy(estimator: Any, features: Any, labels: Any) -> float:
        return 0.25

    for two in ([accuracy, "accuracy"], ["accuracy", accuracy]):
        with pytest.raises(ModelError, match="two metrics are called 'accuracy'"):
            compute_metrics(_classifier(), Rows(FEATURES, CLASSES), two)
    assert compute_metrics(_classifier(), Rows(FEATURES, CLASSES), [accuracy, accuracy]) == {"accuracy": 0.25}


def test_without_labels_nothing_is_measured() -> None:
    assert compute_metrics(_regression(), Rows(FEATURES, None), ["r2"]) == {}


@pytest.mark.parametrize(
    ("metric", "labels", "message"),
    [
        ("nope", CLASSES, "metric 'nope' failed: .*nope"),
        ("roc_auc", CLASSES.head(2), "'roc_auc' is nan on 2 rows with the labels no: it cannot be held to a limit"),
        (lambda estimator, features, labels: None, CLASSES, "metric '<lambda>' failed: TypeError"),
        (
            lambda estimator, features, labels: float("inf"),
            pd.Series(range(6)),
            r"'<lambda>' is inf on 6 rows with the labels 0, 1, 2, 3, 4 \.\.\.: it cannot be held to a limit.*holdout=",
        ),
    ],
)
def test_what_gives_no_number_is_refused(metric: Any, labels: pd.Series, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        compute_metrics(_classifier(), Rows(FEATURES.head(len(labels)), labels), [metric])


def test_metrics_are_told_apart_by_name_or_code() -> None:
    made = [eval(f"lambda estimator, features, labels: {value}") for value in (1.0, 1.0, 2.0)]  # noqa: S307 - our own
    first, same, other = metric_names(made)
    assert first == same != other
    assert metric_names(["r2", made[0]]) == ["r2", first]
    assert metric_names(None) == []
