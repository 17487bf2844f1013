"""Columns with names that look like something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Small, good_rows, scores, write_csv

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.errors import RecipeError
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit


def _data(folder: Path, label: str, key: str = "id") -> PartitionedDataset:
    for partition in (0, 1):
        write_csv(folder / f"part_{partition}.csv", good_rows(100, partition), header=(key, "a", "b", label))
    return PartitionedDataset(f"{folder}/part_{{p}}.csv")


def _train(dataset: PartitionedDataset, recipe: Recipe, folder: Path) -> Small:
    job = TrainingJob(dataset, [0], recipe, "sklearn.linear_model:LogisticRegression", f"{folder}/model")
    return Small(folder, train(job).ref, recipe)


@pytest.mark.parametrize("label", ["y: label", "a:b:c", ":y", "y:", "2026:label", "y:1", "is it?", "läbel", "y.label"])
def test_a_target_column_may_have_any_name_that_is_no_import_path(tmp_path: Path, label: str) -> None:
    dataset = _data(tmp_path, label)
    data = _train(dataset, Recipe(target=label, keys=["id"], columns=["a", "b"]), tmp_path)
    ((manifest, _),) = data.score(1)
    assert len(scores(manifest)) == 100


def test_a_target_column_like_an_import_path_is_refused_with_what_to_write(tmp_path: Path) -> None:
    dataset = _data(tmp_path, "y:label")
    with pytest.raises(RecipeError, match="If it is a column, write target=lambda frame: frame\\['y:label'\\]"):
        _train(dataset, Recipe(target="y:label", keys=["id"], columns=["a", "b"]), tmp_path)
    advice = Recipe(target=lambda frame: frame["y:label"], keys=["id"], columns=["a", "b"])
    ((manifest, _),) = _train(dataset, advice, tmp_path).score(1)
    assert len(scores(manifest)) == 100


@pytest.mark.parametrize("key", ["my key", "k:v", "a;b", "prediction_", "row", "file"])
def test_a_key_may_have_any_name(tmp_path: Path, key: str) -> None:
    dataset = _data(tmp_path, "label", key)
    data = _train(dataset, Recipe(target="label", keys=[key], columns=["a", "b"]), tmp_path)
    ((manifest, _),) = data.score(1, flags={"sure enough?": "prediction > 0.5"})
    assert list(scores(manifest)) == [key, "prediction", "sure enough?"]
