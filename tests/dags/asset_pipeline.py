"""A pipeline whose locations stand in the DAG file, and a DAG that starts when it has published, for tests."""

from __future__ import annotations

import os

import pandas as pd
from airflow.sdk import DAG, Asset, task

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.operators import (
    CheckModelOperator,
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)
from airflow_batchscore.operators.assets import asset_at

HOME = os.environ.get("ASSET_HOME", "/nowhere")


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["a", "b"]].dropna(subset=["b"])


with DAG("asset_pipeline", schedule=None, params={"output": "out.parquet", "max_drift": 100}) as producing:
    dataset = PartitionedDataset(f"{HOME}/part_{{p}}.csv", read_options={"column_types": {"id": "int64"}})
    train = TrainOperator(
        task_id="train",
        dataset=dataset,
        partitions=0,
        recipe=Recipe(features=features, target="label", keys=["id"], columns=["a", "b"]),
        estimator="sklearn.linear_model:LogisticRegression",
        model_uri=f"{HOME}/model",
    )
    gate = CheckModelOperator(task_id="gate", model=train.output, require={"accuracy": ">=0"}, promote_to="champion")
    plan = PlanPartitionsOperator(task_id="plan", dataset=dataset, partitions="1..3", model=gate.output)
    score = ScorePartitionOperator.partial(
        task_id="score", dataset=dataset, output_uri=f"{HOME}/staged", engine=LocalDask(workers=1), quarantine=1000
    ).expand(partition=plan.output)
    audit = CheckScoresOperator(
        task_id="audit",
        plan=plan.output,
        scores=score.output,
        max_drift="{{ params.max_drift }}",
        max_quarantined=1000,
    )
    publish = CombineOperator(
        task_id="publish",
        plan=plan.output,
        scores=audit.output,
        output_uri=f"{HOME}/{{{{ params.output }}}}",
        outlets=[Asset("scores are new")],
    )

with DAG("asset_consumer", schedule=[asset_at(f"{HOME}/out.parquet")]):

    @task
    def read(triggering_asset_events: dict[Asset, list[object]]) -> list[object]:
        return [event.extra for events in triggering_asset_events.values() for event in events]  # type: ignore[attr-defined]

    read()
