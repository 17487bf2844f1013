"""Many models in one task: what a retry mends is not taken for a model that cannot be trained."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sklearn.linear_model import SGDClassifier
from support import good_rows, write_csv

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.errors import InputChangedError
from airflow_batchscore.training.train import TrainingJob
from airflow_batchscore.training.train_many import train_many

pytestmark = pytest.mark.unit


def test_a_file_that_changes_while_a_model_is_trained_is_for_a_retry(tmp_path: Path) -> None:
    write_csv(tmp_path / "part_1.csv", good_rows(100))
    write_csv(tmp_path / "other.csv", good_rows(90, 7))

    def estimator() -> SGDClassifier:
        if (tmp_path / "other.csv").exists():  # after the look that names the version, before the rows are read
            os.replace(tmp_path / "other.csv", tmp_path / "part_1.csv")
        return SGDClassifier()

    recipe = Recipe(target="label", keys=["id"], columns=["a", "b"])
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.csv")
    job = TrainingJob(dataset, None, recipe, estimator, f"{tmp_path}/models/{{p}}")

    def train() -> int:
        return train_many(job, lambda run, jobs: (run(*some) for some in jobs), max_failed=1).trained

    with pytest.raises(InputChangedError, match=r"part_1\.csv changed"):
        train()
    assert train() == 1
