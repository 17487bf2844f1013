"""What a fitted estimator returns, and how it takes its rows."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from airflow_batchscore.errors import ModelError
from airflow_batchscore.training.signature import matrix_methods, outputs_and_labels, reference_profile, results

pytestmark = pytest.mark.unit

FEATURES = pd.DataFrame(np.random.default_rng(0).normal(size=(90, 2)), columns=["a", "b"])
THREE = np.select([FEATURES["a"] > 0.4, FEATURES["a"] < -0.4], ["high", "low"], "mid dle")


def test_each_method_has_its_columns_with_types_and_what_they_stand_for() -> None:
    types, labels = outputs_and_labels(LogisticRegression().fit(FEATURES, THREE), FEATURES)
    names = ["prediction_high", "prediction_low", "prediction_mid_dle"]
    assert types == {
        "predict": {"prediction": "string"},
        **{
            method: dict.fromkeys(names, "double")
            for method in ("predict_proba", "predict_log_proba", "decision_function")
        },
    }
    assert labels["predict_proba"] == dict(zip(names, ["high", "low", "mid dle"], strict=True))
    assert set(labels) == {"predict_proba", "predict_log_proba", "decision_function"}


def test_pairs_and_numbers_are_kept_as_json() -> None:
    number = np.select([FEATURES["a"] > 0.4, FEATURES["a"] < -0.4], [1, 2], 3)
    pairs = SVC(decision_function_shape="ovo").fit(FEATURES, number)
    labels = outputs_and_labels(pairs, FEATURES)[1]["decision_function"]
    assert labels == {"prediction_1_vs_2": [1, 2], "prediction_1_vs_3": [1, 3], "prediction_2_vs_3": [2, 3]}
    assert all(type(label) is int for pair in labels.values() for label in pair)
    dates = LogisticRegression().fit(FEATURES, FEATURES["a"] > 0)
    assert list(outputs_and_labels(dates, FEATURES)[1]["predict_proba"].values()) == [False, True]


def test_labels_that_look_alike_are_told(caplog: pytest.LogCaptureFixture) -> None:
    class Alike:
        classes_ = np.array([1, "1"], dtype=object)

        def predict_proba(self, features: pd.DataFrame) -> Any:
            return np.full((len(features), 2), 0.5)

    with caplog.at_level(logging.WARNING):
        types, _ = outputs_and_labels(Alike(), FEATURES)
    assert list(types["predict_proba"]) == ["prediction_0", "prediction_1"]
    assert "look the same: its columns go by place" in caplog.text


class Gives:
    """Predicts what it is given."""

    def __init__(self, *values: Any) -> None:
        self.values = np.array(values, dtype=object)

    def predict(self, features: pd.DataFrame) -> Any:
        return self.values[np.arange(len(features)) % len(self.values)]


def test_values_that_have_no_common_type_are_refused() -> None:
    for values in ((1, "a"), (1j,)):
        with pytest.raises(ModelError, match="predict of Gives gives values in the column 'prediction' that no file"):
            outputs_and_labels(Gives(*values), FEATURES)
    assert outputs_and_labels(Gives(1, None), FEATURES)[0] == {"predict": {"prediction": "int64"}}


def test_a_method_that_fails_is_named_with_the_features_that_are_text() -> None:
    fitted = LinearRegression().fit(FEATURES, FEATURES["a"])
    with pytest.raises(
        ModelError, match=r"predict of LinearRegression failed on 90 rows: ValueError.*\['b'\] are text"
    ):
        results(fitted, FEATURES.assign(b="x"), "predict")


def test_results_are_columns_by_name_and_the_rows_stay_as_they_are() -> None:
    scaler = StandardScaler(copy=False).fit(FEATURES.copy())
    before = FEATURES.copy()
    made = results(scaler, FEATURES, "transform")
    assert list(made) == ["prediction_a", "prediction_b"]
    assert FEATURES.equals(before)


def test_methods_that_give_the_same_for_a_matrix_may_have_one() -> None:
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(FEATURES, THREE)
    assert {"predict", "predict_proba", "decision_function"} <= set(matrix_methods(fitted, FEATURES))


def test_a_model_that_picks_columns_by_name_gets_frames() -> None:
    by_name = make_pipeline(make_column_transformer((StandardScaler(), ["b"])), LinearRegression())
    assert matrix_methods(by_name.fit(FEATURES, FEATURES["b"]), FEATURES) == ()


@pytest.mark.parametrize(
    "features",
    [FEATURES.assign(b="x"), FEATURES.assign(b=np.nan), FEATURES.head(0)],
    ids=["a text", "no row without a gap", "no rows"],
)
def test_without_rows_of_numbers_no_method_may_have_a_matrix(features: pd.DataFrame) -> None:
    fitted = LinearRegression().fit(FEATURES, FEATURES["a"])
    assert matrix_methods(fitted, features) == ()


def test_a_forest_that_predicts_in_threads_of_its_own_may_have_a_matrix() -> None:
    """Its threads add up the trees in another order each time, so that no two of its answers are equal to the bit."""
    rows = np.random.default_rng(0).standard_normal((400, 4))
    features = pd.DataFrame(rows, columns=list("abcd"))
    forest = RandomForestClassifier(60, n_jobs=4, random_state=0).fit(features, rows[:, 0] + rows[:, 1] ** 2 > 0.5)
    for _ in range(5):
        assert {"predict", "predict_proba"} <= set(matrix_methods(forest, features))
    assert forest.n_jobs == 4


def test_a_reference_counts_every_row_of_features_and_outputs() -> None:
    made = reference_profile(LogisticRegression().fit(FEATURES, THREE), FEATURES)
    assert set(made.outputs) == {"predict", "predict_proba", "decision_function"}
    assert {sum(counts) for counts in made.features.counts.values()} == {90}
    (predicted,) = made.outputs["predict"].counts.values()
    assert sum(predicted) == 90
    assert made.outputs["predict"].bins["prediction"]["values"]


def test_a_reference_of_clusters_counts_the_clusters() -> None:
    made = reference_profile(KMeans(2, n_init=1, random_state=0).fit(FEATURES), FEATURES)
    assert set(made.outputs) == {"predict"}
