"""Pipelines of other kinds than `small_pipeline`, over a dataset that the run's conf names, for tests."""

from __future__ import annotations

import pandas as pd
from airflow.sdk import DAG

from airflow_batchscore import LocalDask, ModelPolicy, PartitionedDataset, Recipe
from airflow_batchscore.operators import (
    CheckScoresOperator,
    CombineOperator,
    ImportModelOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)

PARAMS: dict[str, object] = {}
dataset = PartitionedDataset("{{ var.value.folder }}/part_{p}.csv", read_options={"column_types": {"id": "int64"}})
recipe = Recipe(target="label", keys=["id"], columns=["a", "b"])


def half(rows: pd.DataFrame) -> pd.DataFrame:
    """A function of the DAG file itself, which workers cannot import."""
    return rows[["a"]] / 2


def _rest(plan: PlanPartitionsOperator, **score: object) -> None:
    scored = ScorePartitionOperator.partial(
        task_id="score", dataset=dataset, output_uri="{{ var.value.folder }}/staged", **score
    ).expand(partition=plan.output)
    checked = CheckScoresOperator(task_id="check_scores", plan=plan.output, scores=scored.output)
    CombineOperator(task_id="publish", scores=checked.output, output_uri="{{ var.value.folder }}/out.parquet")


with DAG("imported_model", schedule=None, params=PARAMS) as imported:
    take = ImportModelOperator(
        task_id="take",
        source="{{ var.value.folder }}/theirs.joblib",
        sha256="{{ var.value.sha256 }}",
        dataset=dataset,
        partitions=[0],
        recipe=recipe,
        model_uri="{{ var.value.folder }}/model",
        alias="champion",
    )
    plan = PlanPartitionsOperator(task_id="plan", dataset=dataset, model="{{ var.value.folder }}/model@champion")
    take >> plan
    _rest(plan, method="{{ 'predict, predict_proba' }}", outputs={"predict": "label", "predict_proba_1": "likely"})

with DAG("models_by_column", schedule=None, params=PARAMS) as by_column:
    train = TrainOperator(
        task_id="train",
        dataset=dataset,
        partitions=[0],
        recipe=recipe,
        estimator="sklearn.linear_model:LogisticRegression",
        model_uri="{{ var.value.folder }}/models/{sensor_id}",
        alias="champion",
    )
    plan = PlanPartitionsOperator(
        task_id="plan",
        dataset=dataset,
        model=train.output,
        model_policy=ModelPolicy(missing="skip"),
        plan_uri="{{ var.value.folder }}/plans",
    )
    _rest(plan, model_by="sensor_id")

with DAG("function_of_the_file", schedule=None, params=PARAMS) as function:
    _rest(PlanPartitionsOperator(task_id="plan", dataset=dataset), function=half, keys=["id"])

with DAG("searched", schedule=None, params=PARAMS):
    TrainOperator(
        task_id="train",
        dataset=dataset,
        partitions=[0],
        holdout=[1],
        recipe=recipe,
        estimator="strange_models:search",
        model_uri="{{ var.value.folder }}/searched",
        engine=LocalDask(workers=2),
    )
