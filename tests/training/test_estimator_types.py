"""Estimators that would do something else with the types that a notebook's frames have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from airflow_batchscore.data.notebook import with_types
from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.same_types import Pair
from airflow_batchscore.training.estimator_types import check_estimator, check_fitted

pytestmark = pytest.mark.unit

OURS = pd.DataFrame(
    {"size": ["S", "M", "L"] * 4, "dept": [1.0, 2.0, 3.0] * 4, "vip": [True, None, False] * 4, "x": np.arange(12) / 7}
)
TYPES = {"size": pd.CategoricalDtype(["S", "M", "L"]), "dept": "int64", "vip": pd.BooleanDtype()}
PAIR = Pair(OURS, with_types(OURS, TYPES), TYPES)


def _selecting(selected: str) -> Any:
    picked = make_column_transformer((OneHotEncoder(), make_column_selector(dtype_include=selected)))
    return make_pipeline(picked, LinearRegression())


@pytest.mark.parametrize(("selected", "column"), [("category", "size"), ("int", "dept"), ("boolean", "vip")])
def test_a_selector_that_picks_others_in_a_notebook_is_refused(selected: str, column: str) -> None:
    message = rf"selector of ColumnTransformer picks \[\] here, and \['{column}'\].*Name the columns.*'{column}'"
    with pytest.raises(RecipeError, match=message):
        check_estimator(_selecting(selected), PAIR)
    with pytest.raises(RecipeError, match=message):  # within a search, too
        check_estimator(GridSearchCV(_selecting(selected), {}), PAIR)


@pytest.mark.parametrize(
    "estimator",
    [
        _selecting("float32"),  # nothing in both
        make_column_transformer((OneHotEncoder(), ["size"])),
        make_column_transformer((OneHotEncoder(), lambda frame: frame.columns[:1])),
        make_column_transformer((OneHotEncoder(), lambda frame: frame["made by an earlier step"])),
        make_column_transformer((StandardScaler(), make_column_selector(dtype_include="number"))),
        LinearRegression(),
        object(),
    ],
)
def test_estimators_that_pick_the_same_pass(estimator: Any) -> None:
    check_estimator(estimator, PAIR)


class Fitted:
    """Predicts with a function."""

    def __init__(self, function: Any) -> None:
        self.predict = function


def _length(frame: pd.DataFrame) -> Any:
    return frame["dept"].astype(str).str.len()


def test_predictions_that_differ_in_a_notebook_are_refused_with_the_column() -> None:
    message = r"predict of Fitted gives something else here than .* \['dept'\] in a notebook.*Column 'dept' holds whole"
    with pytest.raises(RecipeError, match=message) as caught:
        check_fitted(Fitted(_length), PAIR)
    assert "'size'" not in str(caught.value)  # nobody is sent to a column that is innocent


def test_all_columns_are_named_where_neither_alone_makes_the_difference() -> None:
    def both(frame: pd.DataFrame) -> Any:
        plain = frame["size"].dtype != "category" or frame["dept"].dtype == float
        return np.full(len(frame), 1.0 if plain else 2.0)

    with pytest.raises(RecipeError, match=r"\['size', 'dept', 'vip'\] in a notebook.*Column 'size'.*Column 'dept'"):
        check_fitted(Fitted(both), PAIR)


def _raises_for_categories(frame: pd.DataFrame) -> Any:
    return frame["size"] + "!"


@pytest.mark.parametrize(
    "function",
    [
        lambda frame: frame["dept"] * 2 + frame["x"],
        lambda frame: np.random.default_rng().random(len(frame)),  # that is for others to judge
        _raises_for_categories,
    ],
    ids=["arithmetic", "chance", "an error"],
)
def test_predictions_that_do_not_depend_on_the_types_pass(function: Any) -> None:
    check_fitted(Fitted(function), PAIR)


def test_without_other_types_or_rows_nothing_is_tried() -> None:
    def fails(frame: pd.DataFrame) -> Any:
        raise AssertionError

    for pair in (None, Pair(OURS, OURS, {}), Pair(OURS.head(0), PAIR.notebook.head(0), TYPES)):
        check_fitted(Fitted(fails), pair)
    check_estimator(_selecting("category"), None)
