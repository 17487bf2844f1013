from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

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
