from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.outputs import OutputSpec, check_method, output_columns

pytestmark = pytest.mark.unit


class Classes:
    def __init__(self, *classes: object) -> None:
        self.classes_ = np.array(classes)


@pytest.mark.parametrize(
    ("estimator", "shape", "method", "names"),
    [
        (None, (3,), "predict", ["prediction"]),
        (None, (3, 1), "predict", ["prediction"]),
        (Classes("no", "yes"), (3, 2), "predict_proba", ["prediction_no", "prediction_yes"]),
        (Classes("a b", "a_b"), (3, 2), "predict_proba", ["prediction_0", "prediction_1"]),
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


def test_refuses_what_the_estimator_cannot_do() -> None:
    with pytest.raises(ModelError, match="LogisticRegression has no transform; it has predict"):
        check_method(LogisticRegression(), "transform", "model m")
    with pytest.raises(ModelError, match="method='guess' is unknown"):
        OutputSpec.of("guess")
    with pytest.raises(ModelError, match="3 dimensions"):
        output_columns(None, np.zeros((1, 1, 2)), "predict")


def test_several_methods_are_called_after_themselves() -> None:
    there = {"predict": {"prediction": "int64"}, "predict_proba": {"prediction_0": "double", "prediction_1": "double"}}
    spec = OutputSpec.of("predict, predict_proba")
    assert spec.types(there, "m") == {"predict": "int64", "predict_proba_0": "double", "predict_proba_1": "double"}
    kept = OutputSpec.of(
        ["predict_proba", "predict"], {"predict_proba_1": "p", "predict": "label"}, {"sure": "predict_proba_1>=0.9"}
    )
    assert kept.types(there, "m") == {"p": "double", "label": "int64", "sure": "bool"}
    assert OutputSpec.of("predict_proba").types(there, "m") == {"prediction_0": "double", "prediction_1": "double"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (lambda: OutputSpec.of([]), "name each method once"),
        (lambda: OutputSpec.of(["predict", "predict"]), "name each method once"),
        (lambda: OutputSpec.of(flags={"odd": "prediction is odd"}), "write a column, a comparison and a number"),
        (lambda: OutputSpec.of(flags={"odd": "nothing<1"}), "predict gives prediction"),
        (lambda: OutputSpec.of(outputs={"prediction": "a"}, flags={"a": "prediction<1"}), "one name: a, a"),
        (lambda: OutputSpec.of(outputs=["p"]), r"outputs=\['p'\]: predict of m gives prediction"),
        (lambda: OutputSpec.of("transform"), "the model m has no 'transform'; it has predict"),
    ],
)
def test_what_cannot_be_written_is_refused_with_what_can(spec: Callable[[], OutputSpec], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        spec().types({"predict": {"prediction": "int64"}}, "m")


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
