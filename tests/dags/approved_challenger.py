"""A challenger that a person promotes: what docs/how-to/champion-and-challenger.md shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, XComArg
from example_home import HOME as EXAMPLES

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.operators import (
    CheckModelOperator,
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
)

HOME = f"{EXAMPLES}/approved_challenger"
MODEL = f"{HOME}/model"
data = PartitionedDataset(f"{HOME}/part_{{p}}.csv", read_options={"column_types": {"id": "int64"}})

with DAG("approved_challenger", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
    plan = PlanPartitionsOperator(
        task_id="plan", dataset=data, partitions="1..2", model=[f"{MODEL}@champion", f"{MODEL}@challenger"]
    )
    score = ScorePartitionOperator.partial(task_id="score", dataset=data, output_uri=f"{HOME}/staged").expand(
        partition=plan.output
    )
    check = CheckScoresOperator(task_id="check", plan=plan.output, scores=score.output)
    publish = CombineOperator(task_id="publish", scores=check.output, output_uri=f"{HOME}/out.parquet")
    # the how-to page from here
    compare = CheckScoresOperator(task_id="compare", plan=plan.output, scores=score.output, min_agreement=0.5)
    approve = ApprovalOperator(
        task_id="approve",
        subject="Promote the challenger?",
        body="{{ ti.xcom_pull(task_ids='compare', key='comparison') }}",
        response_timeout=timedelta(days=2),
        defaults="Reject",
    )
    promote = CheckModelOperator(task_id="promote", model=XComArg(compare, "challenger"), promote_to="champion")
    compare >> approve >> promote
