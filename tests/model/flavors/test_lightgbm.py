"""LightGBM's own format: what it keeps beside the booster, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.estimators import kind_of
from airflow_batchscore.model.flavors import flavor

pytestmark = pytest.mark.unit

OPTIONS = {"n_estimators": 5, "min_child_samples": 1, "verbose": -1}
ROWS = pd.DataFrame(np.random.default_rng(0).normal(size=(80, 2)), columns=["a", "b"])


def _dump(estimator: Any) -> bytes:
    return flavor("lightgbm").dump(estimator, ROWS)


def _again(estimator: Any) -> Any:
    return flavor("lightgbm").load(_dump(estimator), ())


@pytest.mark.parametrize(
    "labels",
    [
        ROWS["a"] > 0,
        np.where(ROWS["a"] > 0, "yes", "no"),
        np.where(ROWS["a"] > 0, 7, -3),
        np.select([ROWS["a"] > 0.5, ROWS["a"] < -0.5], ["high", "low"], "middle"),
    ],
    ids=["bool", "text", "int", "three"],
)
def test_a_classifier_keeps_its_classes(labels: Any) -> None:
    fitted = lightgbm.LGBMClassifier(**OPTIONS).fit(ROWS, labels)
    again = _again(fitted)
    assert again.classes_.tolist() == fitted.classes_.tolist()
    assert again.predict(ROWS).tolist() == fitted.predict(ROWS).tolist()
    np.testing.assert_array_equal(again.predict_proba(ROWS), fitted.predict_proba(ROWS))
    assert kind_of(again) == "classifier"


def test_regressors_and_rankers_give_values() -> None:
    regressor = lightgbm.LGBMRegressor(**OPTIONS).fit(ROWS, ROWS["b"])
    ranker = lightgbm.LGBMRanker(**OPTIONS).fit(ROWS, (ROWS["a"] > 0).astype(int), group=[40, 40])
    for fitted in (regressor, ranker):
        again = _again(fitted)
        np.testing.assert_array_equal(again.predict(ROWS), fitted.predict(ROWS))
        assert not hasattr(again, "predict_proba")
    assert kind_of(_again(regressor)) == "regressor"


def test_trees_beyond_the_best_iteration_are_left_out() -> None:
    labels = np.random.default_rng(1).normal(size=80)  # noise: more trees make it worse
    stopped = lightgbm.LGBMRegressor(**{**OPTIONS, "n_estimators": 60}).fit(
        *(ROWS[:40], labels[:40]),
        eval_set=[(ROWS[40:], labels[40:])],
        callbacks=[lightgbm.early_stopping(3, verbose=False)],
    )
    assert stopped.best_iteration_ < 60
    np.testing.assert_array_equal(_again(stopped).predict(ROWS), stopped.predict(ROWS))


def test_what_the_text_cannot_hold_is_refused() -> None:
    with pytest.raises(ModelError, match="Ridge is no estimator of LightGBM; save a pipeline that holds one"):
        _dump(Ridge())
    dated = lightgbm.LGBMClassifier(**OPTIONS).fit(ROWS, np.where(ROWS["a"] > 0, "a", "b"))
    dated._classes = np.array([pd.Timestamp("2020"), pd.Timestamp("2021")], dtype=object)
    with pytest.raises(ModelError, match="LGBMClassifier has classes or parameters that its text cannot hold"):
        _dump(dated)


def test_the_bytes_hold_text_and_numbers_only() -> None:
    kept = json.loads(_dump(lightgbm.LGBMRegressor(**OPTIONS).fit(ROWS, ROWS["b"])))
    assert set(kept) == {"classes", "model", "parameters"}
    assert kept["model"].startswith("tree\n")


@pytest.mark.parametrize(
    ("objective", "labels", "number"),
    [("binary", ROWS["a"] > 0, 2), ("multiclass", np.arange(80) % 3, 3), ("multiclassova", np.arange(80) % 3, 3)],
)
def test_a_boosters_own_file_of_a_classifier(objective: str, labels: Any, number: int) -> None:
    several = {} if number == 2 else {"num_class": number}
    booster = lightgbm.train(
        {"objective": objective, "verbose": -1, **several}, lightgbm.Dataset(ROWS, np.asarray(labels, int)), 5
    )
    loaded: Any = flavor("lightgbm").load(booster.model_to_string().encode(), ())
    expected = booster.predict(ROWS)
    shares = np.column_stack([1 - expected, expected]) if number == 2 else expected
    np.testing.assert_array_equal(loaded.predict_proba(ROWS), shares)
    np.testing.assert_array_equal(loaded.predict(ROWS), shares.argmax(axis=1))
    assert loaded.classes_.tolist() == list(range(number))
    assert kind_of(loaded) == "classifier"


def _own_loss(values: Any, rows: Any) -> Any:
    return values - rows.get_label(), np.ones(len(values))


@pytest.mark.parametrize("objective", ["regression", "poisson", "cross_entropy", "lambdarank", _own_loss])
def test_a_boosters_own_file_of_values(objective: Any) -> None:
    rows = lightgbm.Dataset(ROWS, (ROWS["a"] > 0).astype(int), group=[40, 40] if objective == "lambdarank" else None)
    booster = lightgbm.train({"objective": objective, "verbose": -1}, rows, 5)
    loaded: Any = flavor("lightgbm").load(booster.model_to_string().encode(), ())
    np.testing.assert_array_equal(loaded.predict(ROWS), booster.predict(ROWS))
    assert not hasattr(loaded, "predict_proba")


def test_a_file_of_something_else_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="neither what this flavour writes nor the text of LightGBM's Booster"):
        flavor("lightgbm").load(b"hello", ())
