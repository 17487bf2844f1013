"""From training to publication as this package does it, with its defaults."""

from __future__ import annotations

import os

from airflow.sdk import DAG
from end_to_end_recipe import FEATURES

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.operators import (
    CheckModelOperator,
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)

HOME = os.environ["END_TO_END_HOME"] + "/ours"
dataset = PartitionedDataset(os.environ["END_TO_END_DATA"] + "/part-{part}.parquet")

with DAG("ours_end_to_end", schedule=None):
    train = TrainOperator(
        task_id="train",
        dataset=dataset,
        partitions=["000"],
        recipe=Recipe(target="end_to_end_recipe:label", keys=["id"], columns=FEATURES),
        estimator="sklearn.linear_model:LogisticRegression",
        model_uri=f"{HOME}/model",
        holdout=["001"],
    )
    gate = CheckModelOperator(task_id="gate", model=train.output, require={"accuracy": ">=0.9"})
    plan = PlanPartitionsOperator(task_id="plan", dataset=dataset, model=gate.output)
    score = ScorePartitionOperator.partial(
        task_id="score",
        dataset=dataset,
        output_uri=f"{HOME}/staging",
        method="predict_proba",
        outputs={"prediction_1": "score"},
    ).expand(partition=plan.output)
    audit = CheckScoresOperator(task_id="audit", plan=plan.output, scores=score.output)
    CombineOperator(task_id="publish", scores=audit.output, output_uri=f"{HOME}/published")
