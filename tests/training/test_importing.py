"""What an imported model gets of the rows, and the version that it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder
from support import write_csv

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.errors import InputError
from airflow_batchscore.model.trust import OPEN_ACCESS
from airflow_batchscore.training.importing import ImportJob, import_version
from airflow_batchscore.training.train import TrainedModel, TrainingJob

pytestmark = pytest.mark.unit


def _of_kinds() -> Pipeline:
    """A model of a column of text and one of numbers."""
    rows = pd.DataFrame({"kind": ["x", "y", "x", "y"], "a": [0.0, 1, 2, 3]})
    kinds = ColumnTransformer([("kind", OneHotEncoder(), ["kind"])])
    return make_pipeline(kinds, LogisticRegression()).fit(rows, [0, 1, 0, 1])


def _of_places() -> LogisticRegression:
    """A model that knows no names."""
    return LogisticRegression().fit(np.array([[0.0, 1], [1, 0], [2, 1], [3, 0]]), [0, 1, 0, 1])


def _imported(folder: Path, source: Any, check: Any = None, **recipe: Any) -> TrainedModel:
    header = ("id", "kind", "a", "b", "label")
    write_csv(folder / "part_0.csv", [(n, "xy"[n % 2], n % 5, n % 3, n % 2) for n in range(60)], header)
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv")
    made = Recipe(target="label", keys=["id"], **recipe)
    job = TrainingJob(dataset, [0], made, None, f"{folder}/model", metrics=["accuracy"])
    return import_version(ImportJob(source, job, OPEN_ACCESS, check=check))


def test_without_features_a_model_gets_the_columns_it_was_fitted_on_also_those_of_text(tmp_path: Path) -> None:
    check = [{"kind": "x", "a": 1, "expected": 0}, {"kind": "y", "a": 1, "expected": 1}]
    manifest = _imported(tmp_path, _of_kinds, check).manifest
    assert manifest.signature.features == ("kind", "a")
    assert manifest.recipe.columns == ("kind", "a")
    assert manifest.metrics == {"accuracy": 1.0}


def test_a_model_without_names_gets_the_numbers(tmp_path: Path) -> None:
    manifest = _imported(tmp_path, _of_places).manifest
    assert (manifest.signature.features, manifest.recipe.columns) == (("a", "b"), None)


def test_what_the_recipe_names_stays(tmp_path: Path) -> None:
    assert _imported(tmp_path, _of_places, columns=["b", "a"]).manifest.recipe.columns == ("b", "a")


def test_a_column_that_the_model_was_fitted_on_and_the_data_lacks_is_named(tmp_path: Path) -> None:
    def other() -> LogisticRegression:
        return LogisticRegression().fit(pd.DataFrame({"a": [0.0, 1], "price": [1.0, 2]}), [0, 1])

    with pytest.raises(InputError, match=r"partition p=0: .*part_0.csv lacks the columns \['price'\]"):
        _imported(tmp_path, other)
