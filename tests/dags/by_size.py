"""Big and small partitions on different workers, as the plan says. docs/operations.md shows this recipe."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task
from small_pipeline import PARAMS

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.operators import (
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)


def kind(partition: Partition) -> str:
    return "big" if partition.size > 1000 else "small"


with DAG("by_size", schedule=None, params=PARAMS) as dag:
    dataset = PartitionedDataset("{{ var.value.folder }}/part_{p}.csv", read_options={"column_types": {"id": "int64"}})
    train = TrainOperator(
        task_id="train",
        dataset=dataset,
        partitions=0,
        recipe=Recipe(target="label", keys=["id"], columns=["a", "b"]),
        estimator="sklearn.linear_model:LogisticRegression",
        model_uri="{{ var.value.folder }}/model",
    )
    plan = PlanPartitionsOperator(
        task_id="plan",
        dataset=dataset,
        partitions="{{ params.partitions }}",
        model=train.output,
        resources_for=kind,
    )

    @task
    def entries(plan: Any, resources: str) -> list[dict[str, Any]]:
        return [entry for entry in plan if entry["resources"] == resources]

    def score(name: str, **where: Any) -> Any:
        return ScorePartitionOperator.partial(
            task_id=f"score_{name}",
            dataset=dataset,
            output_uri="{{ var.value.folder }}/staged",
            engine=LocalDask(workers=1),
            **where,
        ).expand(partition=entries.override(task_id=name)(plan.output, name))

    small = score("small", queue="small", executor_config={"cores": 1})
    big = score("big", queue="big", pool_slots=2)
    check = CheckScoresOperator(
        task_id="check",
        plan=plan.output,
        scores=small.output.concat(big.output),
        trigger_rule="none_failed",  # a run may have no big partition, or no small one
    )
    CombineOperator(
        task_id="publish", plan=plan.output, scores=check.output, output_uri="{{ var.value.folder }}/out.parquet"
    )
