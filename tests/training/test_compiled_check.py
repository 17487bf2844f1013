"""The check finds what would go wrong: thresholds that are off by a digit, another number, another type, no error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiled_models import fitted

from airflow_batchscore.model.compiled import nodes
from airflow_batchscore.model.compiled.ensembles import NotCompiledError
from airflow_batchscore.model.compiled.splits import splits_of
from airflow_batchscore.training.compiled_check import Check
from airflow_batchscore.training.compiling import compile_model

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("step", [-1, 1])
@pytest.mark.parametrize("name", ["forest", "extra trees of values", "histogram boosting", "xgboost", "lightgbm"])
def test_thresholds_off_by_their_last_digit_are_found(name: str, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        nodes, "splits_of", lambda model, values: np.nextafter(splits_of(model, values), np.float32(step * np.inf))
    )
    model, frame = fitted(name)
    assert compile_model(model, [frame], "auto") is None


def test_thresholds_rounded_to_the_nearest_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a plain conversion does: a training sample of any size hardly ever shows it."""
    monkeypatch.setattr(nodes, "splits_of", lambda model, values: values.astype(np.float32))
    model, frame = fitted("forest")
    assert compile_model(model, [frame], "auto") is None


class Fixed:
    """Gives the same results for any rows."""

    def __init__(self, values: Any, error: Exception | None = None) -> None:
        self._values, self._error = values, error

    def predict(self, rows: Any) -> Any:
        if self._error:
            raise self._error
        return np.asarray(self._values)

    predict_proba = predict


ROWS = np.zeros((2, 1))


def _compare(expected: Any, actual: Any, *methods: str) -> Check:
    check = Check(expected, actual, methods)
    check.compare(ROWS, "some rows")
    return check


@pytest.mark.parametrize(
    ("expected", "actual", "why"),
    [
        (Fixed([1.0, 2.0]), Fixed([1.0, 2.00001]), "predict differs by 5e-06 for some rows"),
        (Fixed([1.0, 2.0]), Fixed([1.0, np.nan]), "predict differs by nan"),
        (Fixed([1.0, 2.0]), Fixed(np.float32([1, 2])), r"gives float32 of shape \(2,\), the library float64"),
        (Fixed([1.0, 2.0]), Fixed([[1.0], [2.0]]), r"shape \(2, 1\)"),
        (Fixed([1.0, 2.0], ValueError("no NaN")), Fixed([1.0, 2.0]), "library raises ValueError: no NaN"),
        (
            Fixed([1.0, 2.0]),
            Fixed([1.0, 2.0], ValueError("oh")),
            "gives a result, the compiled model raises",
        ),
    ],
)
def test_what_differs_is_named(expected: Fixed, actual: Fixed, why: str) -> None:
    with pytest.raises(NotCompiledError, match=why):
        _compare(expected, actual, "predict")


def test_labels_must_be_equal_and_probabilities_within_the_tolerance() -> None:
    with pytest.raises(NotCompiledError, match="1 of 2 labels differ for some rows"):
        _compare(Fixed([1, 2]), Fixed([1, 3]), "predict", "predict_proba")
    check = _compare(Fixed([[0.5, 1e-9]]), Fixed([[0.5, 5e-7]]), "predict_proba")
    assert (check.rows, check.difference) == (2, pytest.approx(4.99e-7))


def test_numbers_are_compared_with_their_own_size_or_the_usual_one() -> None:
    assert _compare(Fixed([1e6, 0.0, 1e6]), Fixed([1e6, 0.5, 1e6 + 0.9]), "predict").difference <= 1e-6
    with pytest.raises(NotCompiledError):
        _compare(Fixed([1.0, 0.0, 1e9]), Fixed([1.0, 0.5, 1e9]), "predict")
    assert _compare(Fixed([1.0, np.inf]), Fixed([1.0, np.inf]), "predict").difference == 0


def test_rows_that_both_sides_refuse_are_no_difference_and_were_not_compared() -> None:
    assert _compare(Fixed([], ValueError("a")), Fixed([], ValueError("b")), "predict").rows == 0
