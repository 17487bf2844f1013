"""Features by name, whatever their order and whether their names are text or whole numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from support import Small, good_rows, scores, small, write_csv

from airflow_batchscore import Recipe
from airflow_batchscore.errors import ModelError, RecipeError
from airflow_batchscore.model.flavors import flavor_of
from airflow_batchscore.training.imported import ImportedModel
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

pytestmark = pytest.mark.unit


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, good_rows(60, 1000))
    return made


def _raw(data: Small, partition: int) -> pd.DataFrame:
    return pd.read_csv(data.folder / f"part_{partition}.csv")


def _take(data: Small, model: Any, recipe: Recipe) -> TrainedModel:
    found = ImportedModel(model, flavor_of(model, "auto"), f"{type(model).__name__}{recipe}")
    return train(TrainingJob(data.dataset, [0], recipe, found, f"{data.folder}/taken"))


def _predictions(data: Small, trained: TrainedModel) -> list[Any]:
    ((manifest, _),) = replace(data, model=trained.ref).score(1, method="predict_proba")
    profile, _ = manifest.profiles()
    assert {sum(counts) for counts in profile.values()} == {60}
    assert len(profile) == 2
    return list(scores(manifest)["prediction_1"])


def _probabilities(model: Any, inputs: Any) -> Any:
    return pytest.approx(list(model.predict_proba(inputs)[:, 1]))


def _boosted(library: str) -> Any:
    if library == "xgboost":
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=5)
    if library == "lightgbm":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(n_estimators=5, min_child_samples=1, verbose=-1)
    return LogisticRegression()


@pytest.mark.parametrize("library", ["scikit-learn", "xgboost", "lightgbm"])
def test_an_import_gets_its_columns_in_its_own_order(data: Small, library: str) -> None:
    raw = _raw(data, 0)
    model = _boosted(library).fit(raw[["b", "a"]].astype(float), raw["label"])
    trained = _take(data, model, data.recipe)
    assert trained.manifest.signature.features == ("b", "a")
    assert _predictions(data, trained) == _probabilities(model, _raw(data, 1)[["b", "a"]].astype(float))


@pytest.mark.parametrize("library", ["scikit-learn", "xgboost", "lightgbm"])
def test_an_import_that_was_fitted_on_an_array_takes_the_columns_as_they_come(data: Small, library: str) -> None:
    raw = _raw(data, 0)
    model = _boosted(library).fit(raw[["a", "b"]].to_numpy(float), raw["label"])
    trained = _take(data, model, data.recipe)
    assert _predictions(data, trained) == _probabilities(model, _raw(data, 1)[["a", "b"]].to_numpy(float))


def test_an_import_that_wants_a_column_which_is_not_there_is_refused(data: Small) -> None:
    raw = _raw(data, 0).assign(c=1.0)
    model = LogisticRegression().fit(raw[["c", "a"]], raw["label"])
    with pytest.raises(RecipeError, match=r"the features lack \['c'\].*there are \['a', 'b'\]"):
        _take(data, model, data.recipe)


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["a", "b"]].set_axis([0, 1], axis=1)


def _numbered_backwards(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["b", "a"]].set_axis([1, 0], axis=1)


@pytest.mark.parametrize("features", [_numbered, _numbered_backwards])
@pytest.mark.parametrize("library", ["scikit-learn", "xgboost", "lightgbm"])
def test_features_can_have_whole_numbers_for_names(data: Small, features: Any, library: str) -> None:
    job = TrainingJob(
        data.dataset,
        [0],
        Recipe(features=features, target="label", keys=["id"], columns=["a", "b"]),
        _boosted(library),
        f"{data.folder}/numbered",
    )
    trained = train(job)
    raw = _raw(data, 0).astype({"b": float})
    model = _boosted(library).fit(features(raw), raw["label"])
    assert _predictions(data, trained) == _probabilities(model, features(_raw(data, 1).astype({"b": float})))


@pytest.mark.parametrize("text", [True, False])
def test_names_of_an_import_are_the_same_as_whole_numbers_and_as_text(data: Small, text: bool) -> None:
    """A model fitted on columns "0" and "1" gets 0 and 1, and the other way round."""
    raw = _raw(data, 0).astype({"b": float})
    fitted_on = raw[["a", "b"]].set_axis(["0", "1"] if text else [0, 1], axis=1)
    model = RandomForestClassifier(10, random_state=0).fit(fitted_on, raw["label"])

    def features(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[["b", "a"]].set_axis([1, 0] if text else ["1", "0"], axis=1)

    recipe = Recipe(features=features, target="label", keys=["id"], columns=["a", "b"])
    trained = _take(data, model, recipe)
    inputs = _raw(data, 1)[["a", "b"]].astype(float).set_axis(fitted_on.columns, axis=1)
    assert _predictions(data, trained) == _probabilities(model, inputs)


def test_a_file_whose_columns_are_numbered_serves_a_model_that_was_fitted_on_numbers(tmp_path: Path) -> None:
    data = small(tmp_path)
    rows = [(b, a, label, n) for n, a, b, label in good_rows(100)]
    for partition in (0, 1):
        write_csv(data.folder / f"part_{partition}.csv", rows[:60] if partition else rows, ("1", "0", "label", "id"))
    raw = _raw(data, 0)
    model = LogisticRegression().fit(np.array([[a, b] for b, a, *_ in rows]), raw["label"])
    trained = _take(data, model, Recipe(target="label", keys=["id"], columns=["1", "0"]))
    expected = model.predict_proba(np.array([[a, b] for b, a, *_ in rows[:60]]))[:, 1]
    assert _predictions(data, trained) == pytest.approx(list(expected))


def _same_name_twice(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["a", "b"]].set_axis(["c", "c"], axis=1)


def test_two_features_of_one_name_are_refused_when_a_model_is_trained(data: Small) -> None:
    recipe = Recipe(features=_same_name_twice, target="label", keys=["id"])
    with pytest.raises((RecipeError, ModelError), match="'c'"):  # some estimators say so first
        train(TrainingJob(data.dataset, [0], recipe, LogisticRegression(), f"{data.folder}/twice"))
