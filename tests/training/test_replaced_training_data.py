"""Training and evaluation read the bytes that their results are named after, or say which file changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import good_rows, write_csv

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.errors import BatchScoreError, InputError
from airflow_batchscore.training.evaluation import evaluate
from airflow_batchscore.training.train import TrainingJob, train
from airflow_batchscore.training.train_many import train_many

pytestmark = pytest.mark.unit


#: What the recipe does at its next call.
acts: list[Callable[[], object]] = []


def features(frame: pd.DataFrame) -> pd.DataFrame:
    while acts:
        acts.pop()()
    return frame[["a", "b"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("part_1", "part_2"):
        write_csv(tmp_path / f"{name}.csv", good_rows(100))
    write_csv(tmp_path / "other.csv", good_rows(90, 7))
    acts.clear()
    return tmp_path


def _swap(folder: Path) -> None:
    os.replace(folder / "other.csv", folder / "part_2.csv")


def _training(folder: Path, **options: Any) -> TrainingJob:
    recipe = Recipe(features=features, target="label", keys=["id"], columns=["a", "b"])
    given = {
        "dataset": PartitionedDataset(f"{folder}/part_{{p}}.csv"),
        "partitions": [1, 2],
        "estimator": "sklearn.linear_model:SGDClassifier",
        "model_uri": f"{folder}/model",
    }
    return TrainingJob(recipe=recipe, **{**given, **options})


@pytest.mark.parametrize(
    "options",
    [
        {"holdout": [2], "partitions": [1]},
        {"incremental": True},
        {"incremental": True, "holdout": [2], "partitions": [1]},
    ],
    ids=["held out", "incremental", "incremental, held out"],
)
def test_training_refuses_bytes_that_the_version_is_not_named_after(folder: Path, options: dict[str, Any]) -> None:
    acts.append(lambda: _swap(folder))
    with pytest.raises(BatchScoreError, match=r"part_2.csv changed since this task first looked at it"):
        train(_training(folder, **options))
    assert not list(folder.glob("model/*/model.json"))


def test_other_held_out_rows_are_another_version(folder: Path) -> None:
    first = train(_training(folder, partitions=[1], holdout=[2]))
    assert train(_training(folder, partitions=[1], holdout=[2])).reused
    write_csv(folder / "part_2.csv", good_rows(50))
    second = train(_training(folder, partitions=[1], holdout=[2]))
    assert not second.reused
    assert second.ref.uri != first.ref.uri


def test_training_reads_what_it_looked_at(folder: Path) -> None:
    def estimator() -> Any:
        from sklearn.linear_model import SGDClassifier

        if (folder / "other.csv").exists():
            _swap(folder)  # after the look that names the version, before the rows are read
        return SGDClassifier()

    with pytest.raises(BatchScoreError, match=r"part_2.csv changed since this task first looked at it"):
        train(_training(folder, estimator=estimator))
    assert not list(folder.glob("model/*/model.json"))
    assert not train(_training(folder, estimator=estimator)).reused


@dataclass
class Changing(PartitionedDataset):
    """Its files are replaced right after they were looked at."""

    after: list[Callable[[], object]] = field(default_factory=list)

    def pin(self, partition: Partition) -> Partition:
        pinned = super().pin(partition)
        if partition.key == "p=2":
            while self.after:
                self.after.pop()()
        return pinned


def _changing(folder: Path) -> Changing:
    return Changing(f"{folder}/part_{{p}}.csv", after=[lambda: _swap(folder)])


def test_models_by_a_column_are_of_the_bytes_they_are_named_after(folder: Path) -> None:
    job = _training(folder, dataset=_changing(folder), model_uri=f"{folder}/model/{{b}}")
    with pytest.raises(InputError, match="part_2.csv changed"):
        train_many(job, lambda function, items: (function(*item) for item in items))


def test_an_evaluation_is_of_the_bytes_it_is_kept_under(folder: Path) -> None:
    model = train(_training(folder, partitions=[1])).ref
    with pytest.raises(InputError, match="part_2.csv changed"):
        evaluate(model, _changing(folder), [1, 2], require={})
    assert not list(Path(model.uri).glob("evaluations/*"))
