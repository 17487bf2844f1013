"""A pipeline on S3 whose connection has a marked text in each of its fields."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.operators import (
    CheckModelOperator,
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)
from airflow_batchscore.sensors import PartitionSensor

with DAG("marked_store", schedule=None, params={"partitions": "1", "require": ">=0"}, is_paused_upon_creation=False):
    dataset = PartitionedDataset(
        "s3://tennis/part_{p}.csv", read_options={"column_types": {"id": "int64"}}, conn_id="marked"
    )
    wait = PartitionSensor(
        task_id="wait", dataset=dataset, partitions="{{ params.partitions }}", poke_interval=1, timeout=6
    )
    train = TrainOperator(
        task_id="train",
        dataset=dataset,
        partitions=0,
        recipe=Recipe(target="label", keys=["id"], columns=["a", "b"]),
        estimator="sklearn.linear_model:LogisticRegression",
        model_uri="s3://tennis/model",
        conn_id="marked",
    )
    check_model = CheckModelOperator(
        task_id="check_model", model=train.output, require={"accuracy": "{{ params.require }}"}, conn_id="marked"
    )
    plan = PlanPartitionsOperator(
        task_id="plan",
        dataset=dataset,
        partitions="{{ params.partitions }}",
        model=check_model.output,
        conn_id="marked",
    )
    score = ScorePartitionOperator.partial(
        task_id="score",
        dataset=dataset,
        output_uri="s3://tennis/staged",
        engine=LocalDask(workers=2, processes=True),
        conn_id="marked",
    ).expand(partition=plan.output)
    check_scores = CheckScoresOperator(task_id="check_scores", plan=plan.output, scores=score.output, conn_id="marked")
    CombineOperator(
        task_id="publish",
        plan=plan.output,
        scores=check_scores.output,
        output_uri="s3://tennis/out.parquet",
        conn_id="marked",
    )
    wait >> train
