"""Which outputs of a model a run writes, and under which names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.outputs import OutputSpec, check_method

pytestmark = pytest.mark.unit


def test_refuses_what_the_estimator_cannot_do() -> None:
    with pytest.raises(ModelError, match="LogisticRegression has no transform; it has predict"):
        check_method(LogisticRegression(), "transform", "model m")
    with pytest.raises(ModelError, match="method='guess' is unknown"):
        OutputSpec.of("guess")


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
        (lambda: OutputSpec.of(flags={"odd": "nothing<1"}), "no output 'nothing'; predict gives prediction"),
        (lambda: OutputSpec.of(outputs={"prediction": "a"}, flags={"a": "prediction<1"}), "one name: a, a"),
        (lambda: OutputSpec.of(outputs=["p"]), r"outputs=\['p'\]: predict of m gives prediction"),
        (lambda: OutputSpec.of("transform"), "the model m has no 'transform'; it has predict"),
    ],
)
def test_what_cannot_be_written_is_refused_with_what_can(spec: Callable[[], OutputSpec], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        spec().types({"predict": {"prediction": "int64"}}, "m")


@pytest.mark.parametrize("column", ["prediction_a b", "prediction_a>1", "prediction_a:b"])
def test_a_flag_looks_at_a_column_of_any_name(column: str) -> None:
    spec = OutputSpec.of(flags={"high": f" {column} >= 0.5"})
    there = {"predict": {"prediction": "int64", column: "double"}}
    assert spec.types(there, "m")["high"] == "bool"
    assert spec.written("high", {column: np.array([0.4, 0.5])}).tolist() == [False, True]


def test_a_flag_or_a_new_name_never_stands_in_for_the_column_of_that_name() -> None:
    values = {"prediction_0": np.array([0.9, 0.2]), "prediction_1": np.array([0.1, 0.8])}
    spec = OutputSpec.of(
        "predict_proba",
        {"prediction_1": "p", "prediction_0": "q"},
        {"prediction_1": "prediction_1>0.5", "prediction_0": "prediction_0>0.5", "both": "prediction_1>0.05"},
    )
    assert spec.written("p", values).tolist() == [0.1, 0.8]
    assert spec.written("q", values).tolist() == [0.9, 0.2]
    assert spec.written("prediction_1", values).tolist() == [False, True]
    assert spec.written("prediction_0", values).tolist() == [True, False]
    assert spec.written("both", values).tolist() == [True, True]
