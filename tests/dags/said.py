"""Tasks that fail in the ways that users' code makes them fail, over a dataset that the run's conf names, for tests."""

from __future__ import annotations

from typing import Any, Self

import pandas as pd
from airflow.sdk import DAG
from sklearn.base import BaseEstimator, ClassifierMixin

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.operators import (
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)
from airflow_batchscore.operators.base import BatchScoreOperator

dataset = PartitionedDataset("{{ var.value.folder }}/part_{p}.csv", read_options={"column_types": {"id": "int64"}})


def ratio(rows: pd.DataFrame) -> pd.DataFrame:
    """Raises where the ids begin with 2, until somebody repairs the cause."""
    return _divided(rows)


def _divided(rows: pd.DataFrame) -> pd.DataFrame:
    if rows["id"].min() >= 2000:
        raise ZeroDivisionError("no row of this supplier has a price")
    return rows[["a"]] / 2


class Unwilling(ClassifierMixin, BaseEstimator):
    """Cannot be fitted."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        raise ZeroDivisionError("there is nothing to learn")


class Foreign(BatchScoreOperator):
    """Asks a service that is down."""

    def run_stage(self, context: Any) -> None:
        raise ConnectionError("the price service does not answer")


with DAG("said", schedule=None) as dag:
    TrainOperator(
        task_id="bad_recipe",
        dataset=dataset,
        partitions=[2],
        recipe=Recipe(features=ratio, target="label", keys=["id"]),
        estimator="sklearn.linear_model:LogisticRegression",
        model_uri="{{ var.value.folder }}/model",
    )
    TrainOperator(
        task_id="bad_estimator",
        dataset=dataset,
        partitions=[1],
        recipe=Recipe(target="label", keys=["id"], columns=["a", "b"]),
        estimator=Unwilling(),
        model_uri="{{ var.value.folder }}/model",
        retries=1,
        retry_delay=1.0,
    )
    Foreign(task_id="foreign", retries=1, retry_delay=1.0)
    plan = PlanPartitionsOperator(task_id="plan", dataset=dataset)
    scored = ScorePartitionOperator.partial(
        task_id="score",
        dataset=dataset,
        output_uri="{{ var.value.folder }}/staged",
        function=ratio,
        row_wise=False,
        engine=LocalDask(workers=1),
        retries=1,
        retry_delay=1.0,
    ).expand(partition=plan.output)
    checked = CheckScoresOperator(task_id="check_scores", plan=plan.output, scores=scored.output)
    CombineOperator(task_id="publish", scores=checked.output, output_uri="{{ var.value.folder }}/out.parquet")
