"""A model of 2023, taken over and scored in a Python of its own; a variable names the folder it lies in."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.operators import (
    CheckScoresOperator,
    CombineOperator,
    ImportModelOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
)

with DAG("other_python", schedule=None, params={"partitions": [1]}):
    dataset = PartitionedDataset("{{ var.value.folder }}/part_{p}.csv", read_options={"column_types": {"id": "int64"}})
    take = ImportModelOperator(
        task_id="take",
        source="{{ var.value.folder }}/theirs.joblib",
        sha256="{{ var.value.theirs }}",
        dataset=dataset,
        partitions=[0],
        recipe=Recipe(features="features_of_2023:features", target="label", keys=["id"], columns=["a", "b"]),
        model_uri="{{ var.value.folder }}/model",
        environment="of_2023.txt",
    )
    plan = PlanPartitionsOperator(
        task_id="plan", dataset=dataset, partitions="{{ params.partitions }}", model=take.output
    )
    score = ScorePartitionOperator.partial(
        task_id="score",
        dataset=dataset,
        output_uri="{{ var.value.folder }}/staged",
        method="predict_proba",
        outputs=["prediction_1"],
        block_rows=100,
        engine=LocalDask(workers=2, environment="of_2023.txt"),
    ).expand(partition=plan.output)
    audit = CheckScoresOperator(task_id="audit", plan=plan.output, scores=score.output)
    CombineOperator(task_id="publish", scores=audit.output, output_uri="{{ var.value.folder }}/out.parquet")
