"""An imported model is held to what it predicted where it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from support import Small, good_rows, small

from airflow_batchscore import Recipe
from airflow_batchscore.errors import InputError, ModelError, RecipeError
from airflow_batchscore.training.imported_check import check_predictions
from airflow_batchscore.training.train import TrainingJob, training_data

pytestmark = pytest.mark.unit

FEATURES = ["a", "b"]


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, good_rows(60, 1000))
    return made


def _rows(data: Small, partition: int) -> pd.DataFrame:
    return pd.read_csv(data.folder / f"part_{partition}.csv")


def _fitted(data: Small) -> LogisticRegression:
    raw = _rows(data, 0)
    return LogisticRegression(C=0.1).fit(raw[FEATURES].astype(float), raw["label"])


def _checked(data: Small, estimator: Any, check: Any, **options: Any) -> int:
    recipe = Recipe(**{"target": "label", "keys": ["id"], "columns": FEATURES, **options})
    types = training_data(TrainingJob(data.dataset, [0], recipe, None, "")).source.types
    return check_predictions(estimator, recipe, check, data.dataset, types)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "dicts"])
def test_predictions_of_where_a_model_was_made_are_held_against_those_here(data: Small, suffix: str) -> None:
    model, rows = _fitted(data), _rows(data, 1)
    rows["expected"] = model.predict(rows[FEATURES].astype(float))

    def given() -> Any:
        path = f"{data.folder}/check.{suffix}"
        if suffix == "dicts":
            return rows.to_dict("records")
        rows.to_csv(path, index=False) if suffix == "csv" else rows.to_parquet(path)
        return path

    assert _checked(data, model, given()) == 60
    rows.loc[[7, 31], "expected"] = 1 - rows.loc[[7, 31], "expected"]
    with pytest.raises(ModelError, match=r"for 2 of 60 rows of check=: row 7: \d, expected '?\d.*row 31"):
        _checked(data, model, given())


def test_a_check_sees_the_frames_that_the_recipe_will_see(data: Small) -> None:
    def features(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[FEATURES].assign(a=frame["a"] * 2)[frame["b"] > 0]

    raw = _rows(data, 0)
    model = LinearRegression().fit(raw[FEATURES].astype(float), raw["label"])
    rows = [{"id": n, "a": n % 5, "b": n % 3, "label": 0} for n in range(12)]
    known = features(pd.DataFrame(rows)[FEATURES].astype(float))
    predicted = dict(zip(known.index, model.predict(known), strict=True))
    expected = [{**row, "expected": predicted.get(place)} for place, row in enumerate(rows)]
    assert _checked(data, model, expected, features=features) == 12
    with pytest.raises(ModelError, match="another order of columns"):
        _checked(data, model, [{**row, "a": row["b"], "b": row["a"]} for row in expected], features=features)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ([{"a": 1.0, "expected": 1}], r"rows lack the columns \['b'\]"),
        ([], "there is no row"),
        ([{"a": 1.0, "b": 1, "expected": 1}, {"a": 1.0, "b": 1, "expected": "x"}], "values of several kinds"),
        ("nowhere.csv", "check='nowhere.csv' does not exist"),
    ],
)
def test_a_check_that_cannot_be_made_says_why(data: Small, check: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _checked(data, _fitted(data), check)


class _Label:
    """A model of one label."""

    def __init__(self, label: str) -> None:
        self._label = label

    def predict(self, features: Any) -> Any:
        return np.full(len(features), self._label, dtype=object)


@pytest.mark.parametrize("suffix", ["csv", "dicts"])
@pytest.mark.parametrize(
    ("label", "expected", "same"),
    [
        ("007", "007", True),
        ("007", "7", False),
        ("1e3", "1000", False),
        ("nan", None, False),
        ("True", "True", True),
        ("7", 7, True),
    ],
)
def test_labels_are_the_same_letter_by_letter(data: Small, suffix: str, label: str, expected: Any, same: bool) -> None:
    rows = pd.DataFrame({"a": [1.0, 2.0], "b": [1, 2], "expected": [expected, expected]}, dtype=object)
    check: Any = rows.to_dict("records")
    if suffix == "csv":
        check = f"{data.folder}/check.csv"
        rows.to_csv(check, index=False)
    if same:
        assert _checked(data, _Label(label), check) == 2
    else:
        with pytest.raises(ModelError, match="something else here than where it was made for 2 of 2 rows"):
            _checked(data, _Label(label), check)


def test_a_check_whose_rows_the_recipe_leaves_out_compares_nothing_and_fails(data: Small) -> None:
    rows = [{"id": n, "a": None, "b": 1, "label": 0, "expected": None} for n in range(3)]
    with pytest.raises(ModelError, match="leaves out all 3 rows of check=, so that nothing was compared"):
        _checked(data, _fitted(data), rows, features=lambda frame: frame.dropna())


def test_a_check_that_the_recipe_cannot_read_says_why(data: Small, tmp_path: Path) -> None:
    rows = [{"a": 1.0, "b": 2.0, "expected": 0}]
    with pytest.raises(RecipeError, match=r"failed on the rows of check=: KeyError: .* Recipe\(columns=\['a'\]\)"):
        _checked(data, _fitted(data), rows, columns=["a"], features=lambda frame: frame[["b"]])
    file = tmp_path / "check.csv"
    file.write_text("a;b;expected\n1;2;0\n")
    with pytest.raises(InputError, match=f"^check={file}: {file} lacks the columns .* Is the delimiter ';'"):
        _checked(data, _fitted(data), str(file))


def test_a_prediction_and_what_was_expected_are_told_as_the_same_type(data: Small, tmp_path: Path) -> None:
    file = tmp_path / "check.csv"
    file.write_text("a,b,expected\n1,2,7\n")
    with pytest.raises(ModelError, match=r"row 0: [01], expected 7\. .*features that are not those of the script"):
        _checked(data, _fitted(data), str(file))
