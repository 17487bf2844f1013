"""A method's result as named columns, each called after what it stands for."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_blobs
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC, NuSVC
from sklearn.tree import DecisionTreeClassifier

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.columns import columns_of
from airflow_batchscore.model.outputs import output_columns

pytestmark = pytest.mark.unit


class Classes:
    def __init__(self, *classes: object) -> None:
        self.classes_ = np.array(classes)


class Objects:
    """Classes that NumPy would make text of, all of them."""

    def __init__(self, *classes: object) -> None:
        self.classes_ = np.array(classes, dtype=object)


@pytest.mark.parametrize(
    ("estimator", "shape", "method", "names"),
    [
        (None, (3,), "predict", ["prediction"]),
        (None, (3, 1), "predict", ["prediction"]),
        (Classes("no", "yes"), (3, 2), "predict_proba", ["prediction_no", "prediction_yes"]),
        (Classes("a b", "c"), (3, 2), "predict_proba", ["prediction_a_b", "prediction_c"]),
        (Classes("a b", "a/b"), (3, 2), "predict_proba", ["prediction_a b", "prediction_a/b"]),
        (Objects(1, "1"), (3, 2), "predict_proba", ["prediction_0", "prediction_1"]),
        (Objects(np.nan, "nan"), (3, 2), "predict_proba", ["prediction_0", "prediction_1"]),
        (Classes("only"), (3, 1), "predict_proba", ["prediction_only"]),
        (Classes("no", "yes"), (3, 1), "decision_function", ["prediction"]),
        (Classes(1, 2), (3, 2), "transform", ["prediction_0", "prediction_1"]),
        (None, (3, 2), "predict", ["prediction_0", "prediction_1"]),
    ],
)
def test_names_columns_by_class_where_there_are_classes(
    estimator: object, shape: tuple[int, ...], method: str, names: list[str]
) -> None:
    columns = output_columns(estimator, np.arange(np.prod(shape)).reshape(shape), method)
    assert list(columns) == names
    assert all(len(column) == 3 for column in columns.values())


def test_outputs_of_several_outputs_and_sparse_ones_are_columns() -> None:
    features = np.arange(12.0).reshape(6, 2)
    labels = np.column_stack([np.arange(6) % 2, np.arange(6) % 3])
    forest = RandomForestClassifier(n_estimators=3, random_state=0).fit(features, labels)
    both = output_columns(forest, forest.predict_proba(features), "predict_proba")
    assert list(both) == ["prediction_0_0", "prediction_0_1", "prediction_1_0", "prediction_1_1", "prediction_1_2"]
    assert both["prediction_1_2"].tolist() == forest.predict_proba(features)[1][:, 2].tolist()
    assert list(output_columns(forest, forest.predict(features), "predict")) == ["prediction_0", "prediction_1"]
    encoder = OneHotEncoder().fit(features[:, :1])
    columns = output_columns(encoder, encoder.transform(features[:, :1]), "transform")
    assert list(columns)[:2] == ["prediction_x0_0.0", "prediction_x0_2.0"]
    assert columns["prediction_x0_2.0"].tolist() == [0, 1, 0, 0, 0, 0]


COLORS = ("blue", "green", "red")


def _clusters(count: int) -> tuple[np.ndarray, np.ndarray]:
    features, places = make_blobs(240, centers=count, cluster_std=2.5, random_state=1)
    return features, np.array([*COLORS, "white"], dtype=object)[places]


def _pairs(base: Any) -> dict[str, Any]:
    """Estimators that pass on the decision function of `base`, which has a column a pair."""
    return {
        "alone": base,
        "pipeline": make_pipeline(StandardScaler(), base),
        "search": GridSearchCV(base, {"gamma": ["scale"]}, cv=2),
        "bagging": BaggingClassifier(base, n_estimators=3, random_state=0),
        "stacking": StackingClassifier(
            [("tree", DecisionTreeClassifier(max_depth=2))], SVC(decision_function_shape="ovo")
        ),
        "frozen": FrozenEstimator(base),
    }


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize("how", ["alone", "pipeline", "search", "bagging", "stacking", "frozen"])
@pytest.mark.parametrize("base", [SVC(decision_function_shape="ovo"), NuSVC(nu=0.02, decision_function_shape="ovo")])
def test_a_column_of_a_pair_is_called_after_the_pair(base: Any, how: str, count: int) -> None:
    """With three classes there are three pairs: counting columns does not tell them apart."""
    features, labels = _clusters(count)
    estimator = _pairs(base.fit(features, labels) if how == "frozen" else base)[how].fit(features, labels)
    columns = output_columns(estimator, estimator.decision_function(features), "decision_function")
    assert list(columns) == [f"prediction_{a}_vs_{b}" for a, b in combinations(sorted(set(labels)), 2)]
    if how in ("bagging", "stacking"):  # they add up, or see other features
        return
    votes = pd.DataFrame(0, index=range(len(labels)), columns=sorted(set(labels)))
    for name, values in columns.items():
        first, second = name.removeprefix("prediction_").split("_vs_")
        votes[first] += values > 0
        votes[second] += values <= 0
    assert (votes.idxmax(axis=1).to_numpy() == estimator.predict(features)).mean() > 0.99


@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples")
@pytest.mark.parametrize(
    "estimator",
    [
        SVC(),
        NuSVC(nu=0.02),
        make_pipeline(StandardScaler(), SVC()),
        OneVsRestClassifier(SVC(decision_function_shape="ovo")),
        OneVsOneClassifier(SVC(decision_function_shape="ovo")),
        AdaBoostClassifier(SVC(decision_function_shape="ovo"), n_estimators=3),
        StackingClassifier([("svc", SVC(decision_function_shape="ovo"))], LogisticRegression(), cv=2),
        LinearDiscriminantAnalysis(),
        RFE(LogisticRegression(), n_features_to_select=1),
        SelfTrainingClassifier(LogisticRegression()),
        HistGradientBoostingClassifier(max_iter=5),
    ],
    ids=repr,
)
def test_a_column_of_a_class_is_called_after_the_class(estimator: Any) -> None:
    features, labels = _clusters(3)
    columns = output_columns(
        estimator.fit(features, labels), estimator.decision_function(features), "decision_function"
    )
    assert list(columns) == [f"prediction_{name}" for name in COLORS]
    best = np.array(COLORS)[np.column_stack(list(columns.values())).argmax(axis=1)]
    assert (best == estimator.predict(features)).mean() > 0.97


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (LinearDiscriminantAnalysis(), "decision_function"),
        (SVC(decision_function_shape="ovo"), "decision_function"),
        (OneVsOneClassifier(LogisticRegression()), "decision_function"),
        (OutputCodeClassifier(LogisticRegression()), "predict"),
        (IsolationForest(n_estimators=3), "decision_function"),
        (IsolationForest(n_estimators=3), "score_samples"),
    ],
)
def test_one_value_a_row_is_no_class(estimator: Any, method: str) -> None:
    features, labels = _clusters(2)
    values = getattr(estimator.fit(features, labels), method)(features)
    assert list(output_columns(estimator, values, method)) == ["prediction"]


class Wrapped(ClassifierMixin, BaseEstimator):
    """Somebody's wrapper, of which nothing says what its columns are."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    @property
    def classes_(self) -> np.ndarray:
        return self.inner.classes_


def test_columns_that_could_be_pairs_or_classes_go_by_place() -> None:
    features, labels = _clusters(3)
    values = np.zeros((2, 3))
    unclear = Wrapped(SVC(decision_function_shape="ovo").fit(features, labels))
    assert list(output_columns(unclear, values, "decision_function")) == [
        "prediction_0",
        "prediction_1",
        "prediction_2",
    ]
    clear = Wrapped(SVC().fit(features, labels))
    assert list(output_columns(clear, values, "decision_function")) == [f"prediction_{name}" for name in COLORS]


def test_several_labels_a_row_are_no_classes_of_one() -> None:
    features, _ = _clusters(3)
    labels = np.column_stack([features[:, 0] > 0, features[:, 1] > 0]).astype(int)
    chain = ClassifierChain(LogisticRegression()).fit(features, labels)
    for method in ("predict_proba", "decision_function"):
        columns = output_columns(chain, getattr(chain, method)(features), method)
        assert list(columns) == ["prediction_0", "prediction_1"]
    rest = OneVsRestClassifier(LogisticRegression()).fit(features, labels)
    assert list(output_columns(rest, rest.predict_proba(features), "predict_proba")) == ["prediction_0", "prediction_1"]


def test_what_a_masked_array_hides_is_missing() -> None:
    hidden = np.ma.masked_array([1.0, -999.0], mask=[False, True])
    (column,) = columns_of(None, hidden, "predict")
    np.testing.assert_array_equal(column.values, [1.0, np.nan])
    (column,) = columns_of(None, np.ma.masked_array(["x", "gone"], mask=[False, True]), "predict")
    assert column.values.tolist() == ["x", None]


def test_several_outputs_may_be_sparse_or_masked() -> None:
    estimator = Classes("x", "y")
    estimator.classes_ = [np.array(["x", "y"]), np.array(["z", "w"])]
    hidden = np.ma.masked_array([[0.1, 0.9]], mask=[[False, True]])
    columns = columns_of(estimator, [csr_matrix([[1.0, 0.0]]), hidden], "predict_proba")
    assert [column.name for column in columns] == [
        "prediction_0_x",
        "prediction_0_y",
        "prediction_1_z",
        "prediction_1_w",
    ]
    np.testing.assert_array_equal([column.values for column in columns], [[1.0], [0.0], [0.1], [np.nan]])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.Series(["a", "b"]), [["a", "b"]]),
        (pd.DataFrame({"p": [1, 2], "q": [3, 4]}), [[1, 2], [3, 4]]),
        ([1, 2], [[1, 2]]),
        ([[1, 3], [2, 4]], [[1, 2], [3, 4]]),
        ([], [[]]),
    ],
)
def test_results_may_be_series_frames_or_lists(values: Any, expected: list[list[Any]]) -> None:
    assert [column.values.tolist() for column in columns_of(None, values, "predict")] == expected


@pytest.mark.parametrize(("values", "dimensions"), [(3.0, 0), (np.zeros((2, 2, 2)), 3)])
def test_a_result_of_other_dimensions_is_refused(values: Any, dimensions: int) -> None:
    with pytest.raises(ModelError, match=f"predict gave an array of {dimensions} dimensions; 1 or 2 can be scored"):
        columns_of(None, values, "predict")


def test_a_column_knows_what_it_stands_for() -> None:
    features, labels = _clusters(3)
    pairs = SVC(decision_function_shape="ovo").fit(features, labels)
    columns = columns_of(pairs, pairs.decision_function(features), "decision_function")
    assert [column.label for column in columns] == list(combinations(COLORS, 2))
    names = columns_of(
        StandardScaler().fit(pd.DataFrame({"a b": [1.0]})), pd.DataFrame({"a b": [1], "c": [2]}), "transform"
    )
    assert [(column.name, column.label) for column in names] == [("prediction_a_b", "a b"), ("prediction_c", "c")]
