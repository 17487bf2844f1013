"""A champion and its challenger on the partitions of `Small`, and a recipe that counts how often it runs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from support import Small

from airflow_batchscore import LocalDask, Recipe
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import ChampionAndChallenger, OneModel
from airflow_batchscore.scoring.pair import Scored, score_run
from airflow_batchscore.training.train import TrainingJob, train

ENGINE = LocalDask(workers=2, processes=False)

_lock = threading.Lock()
#: Rows of each call of `counted`.
calls: list[int] = []


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    """Features; skips rows whose `b` is 6."""
    with _lock:
        calls.append(len(frame))
    return frame.loc[frame["b"] != 6, ["a", "b"]]


def trained(
    data: Small, name: str, recipe: Recipe, estimator: str = "sklearn.linear_model:LogisticRegression"
) -> ModelRef:
    """A model of partition 0."""
    job = TrainingJob(data.dataset, [0], recipe, estimator, f"{data.folder}/{name}")
    return train(job).ref


def challenger_of(
    data: Small, recipe: Recipe | None = None, estimator: str = "sklearn.dummy:DummyClassifier"
) -> ModelRef:
    """Another model of the same rows, which knows no feature."""
    return trained(data, "challenger", recipe or data.recipe, estimator)


def pair_job(data: Small, challenger: ModelRef, **options: Any) -> Any:
    """The job of the small model and its challenger."""
    champion = options.pop("model", data.model)
    return replace(data.job(**options), scored_with=ChampionAndChallenger(champion, challenger))


def score_pair(data: Small, challenger: ModelRef, *partitions: int, **options: Any) -> list[Scored]:
    """Both score some partitions."""
    engine = options.pop("engine", ENGINE)
    return score_run(pair_job(data, challenger, **options), [{"p": str(p)} for p in partitions], engine)


def score_alone(data: Small, model: ModelRef, *partitions: int, **options: Any) -> list[Scored]:
    """One model scores them."""
    job = replace(data.job(**options), scored_with=OneModel(model))
    return score_run(job, [{"p": str(p)} for p in partitions], ENGINE)


def of_challenger(scored: Sequence[Scored]) -> list[Any]:
    """The challenger's manifests."""
    return [one.challenged[0] for one in scored if isinstance(one.challenged, tuple)]
