"""The whole pipeline over a dataset that the run's conf names, for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import pandas as pd
from airflow.sdk import DAG

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.engine.base import Engine
from airflow_batchscore.operators import (
    CheckModelOperator,
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)
from airflow_batchscore.sensors import PartitionSensor


class OwnScoring(ScorePartitionOperator):
    """As users write them; Airflow's database knows it by this name alone."""


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """A function of the DAG file itself, which workers cannot import."""
    return frame[["a", "b"]].dropna(subset=["b"])


PARAMS = {
    "partitions": None,
    "require": ">=0",
    "quarantine": 1000,
    "max_quarantined": 0,
    "force": False,
    "retrain": False,
    "output": "out.parquet",
    "max_tasks": 1000,
}


def pipeline(
    dag_id: str,
    estimator: str,
    engine: Engine,
    made: Callable[..., pd.DataFrame] = features,
    plan_options: Mapping[str, str] = MappingProxyType({}),
    scoring: type[ScorePartitionOperator] = ScorePartitionOperator,
    **score: object,
) -> DAG:
    """Train on partition 0, score what the conf says, publish."""
    with DAG(dag_id, schedule=None, params=PARAMS) as dag:
        dataset = PartitionedDataset(
            "{{ var.value.folder }}/part_{p}.csv", read_options={"column_types": {"id": "int64"}}
        )
        wait = PartitionSensor(
            task_id="wait",
            dataset=dataset,
            partitions="{{ params.partitions }}",
            deferrable=dag_id != "small_poking",
            poke_interval=1,
            timeout=6,
        )
        train = TrainOperator(
            task_id="train",
            dataset=dataset,
            partitions=0,
            recipe=Recipe(features=made, target="label", keys=["id"], columns=["a", "b"]),
            estimator=estimator,
            model_uri="{{ var.value.folder }}/model",
            retrain="{{ params.retrain }}",
        )
        check_model = CheckModelOperator(
            task_id="check_model",
            model=train.output,
            require={"accuracy": "{{ params.require }}"},
            promote_to="champion",
        )
        plan = PlanPartitionsOperator(
            task_id="plan",
            dataset=dataset,
            partitions="{{ params.partitions }}",
            model="{{ var.value.folder }}/model@champion",
            **plan_options,
        )
        scored = scoring.partial(
            task_id="score",
            dataset=dataset,
            output_uri="{{ var.value.folder }}/staged",
            quarantine="{{ params.quarantine }}",
            force="{{ params.force }}",
            engine=engine,
            **score,
        ).expand(partition=plan.output)
        check_scores = CheckScoresOperator(
            task_id="check_scores",
            plan=plan.output,
            scores=scored.output,
            max_quarantined="{{ params.max_quarantined }}",
        )
        CombineOperator(
            task_id="publish",
            plan=plan.output,
            scores=check_scores.output,
            output_uri="{{ var.value.folder }}/{{ params.output }}",
        )
        wait >> train
        check_model >> plan
    return dag


small = pipeline("small_pipeline", "sklearn.linear_model:LogisticRegression", LocalDask(workers=2))
seen = pipeline("seen_pipeline", "sklearn.linear_model:LogisticRegression", LocalDask(workers=1), scoring=OwnScoring)
poking = pipeline("small_poking", "sklearn.linear_model:LogisticRegression", LocalDask(workers=1, processes=True))
many = pipeline(
    "many_partitions",
    "sklearn.linear_model:LogisticRegression",
    LocalDask(workers=1),
    plan_options={"max_tasks": "{{ params.max_tasks }}", "plan_uri": "{{ var.value.folder }}/plan"},
)
slow = pipeline(
    "slow_pipeline",
    "strange_models:Slow",
    LocalDask(workers=2, processes=True),
    block_rows=20,
    retries=3,
    retry_delay=1.0,
)
watched = pipeline(
    "watched_pipeline", "strange_models:Slow", LocalDask(workers=1, processes=False, dashboard=True), block_rows=20
)
