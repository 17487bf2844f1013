"""A shop whose third day is unlike its training data: scored for the tests of what watches features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.train import TrainingJob, train

ROWS = 20_000


class Coded:
    """A model of a number and of classes given as text."""

    def fit(self, frame: pd.DataFrame, _: object) -> Coded:
        self.known_ = sorted(set(frame["channel"]))
        return self

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return frame["price"].fillna(0).to_numpy() * 2


def scored_shop(folder: Path) -> list[Manifest]:
    """Days 1 and 2, by a model of day 0. Day 1 is like it; on day 2 a tenth has a new class, and prices differ.

    They are four times as high, and a fifth of them is missing.
    """
    chance = np.random.default_rng(0)
    for day in range(3):
        price = chance.uniform(10, 110, ROWS)
        channel = chance.choice(["web", "app", "shop"], ROWS, p=[0.6, 0.3, 0.1]).astype(object)
        if day == 2:
            price = np.where(chance.random(ROWS) < 0.2, np.nan, price * 4)
            channel[chance.random(ROWS) < 0.1] = "fax"
        frame = pd.DataFrame({"id": np.arange(ROWS), "price": price, "channel": channel, "y": price})
        frame.to_parquet(folder / f"day_{day}.parquet", index=False)
    dataset = PartitionedDataset(f"{folder}/day_{{day}}.parquet")
    recipe = Recipe(target="y", keys=["id"], columns=["price", "channel"])
    model = train(TrainingJob(dataset, [0], recipe, Coded(), f"{folder}/model")).ref
    job = ScoringJob(dataset, OneModel(model), f"{folder}/staged")
    return [manifest for manifest, _ in score_partitions(job, [{"day": "1"}, {"day": "2"}], LocalDask(workers=1))]
