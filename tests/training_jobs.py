"""A training on the rows of `support.good_rows`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

RECIPE = Recipe(target="label", keys=["id"], columns=["a", "b"])


def train_on(
    folder: Path, estimator: Any, partitions: Any = "0..2", client: Any = None, **options: Any
) -> TrainedModel:
    """Train on partitions in `folder`; one is held out."""
    dataset = options.pop("dataset", PartitionedDataset(f"{folder}/part_{{p}}.csv"))
    job = {"recipe": RECIPE, "model_uri": f"{folder}/model", "holdout": [3], **options}
    return train(TrainingJob(dataset, partitions, estimator=estimator, **job), client)
