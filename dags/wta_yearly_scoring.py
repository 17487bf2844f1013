"""Score one year per run with the champion model, into one dataset partitioned by year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, Param
from wta_common import HOME, MODEL_URI, STAGING_URI, matches

from airflow_batchscore.operators import (
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
)

YEAR = "{{ params.year or data_interval_start.year }}"

DOC = f"""
Scores one year of tennis matches per run with the champion model, which `wta_batch_scoring` trains: run that first.

The run's data interval names the year, so a schedule, a manual run and a backfill over dates all work:

    airflow backfill create --dag-id wta_yearly_scoring --from-date 2000-01-01 --to-date 2016-01-01

**Trigger form**: `year`, a number; empty for the year in which the run's data interval begins.

**Reads** `{matches.uri}`. **Publishes** a folder partitioned by year, `{HOME}/predictions_by_year`: a run replaces
its year and touches no other. Each run's report is the link *Run report* of `publish`.
"""

with DAG(
    dag_id="wta_yearly_scoring",
    description="Score one year of tennis matches with the champion model",
    schedule=CronDataIntervalTimetable("@yearly", timezone="UTC"),
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    end_date=datetime(2016, 1, 1, tzinfo=UTC),  # the matches end with 2016: a later year would only fail
    catchup=False,
    max_active_runs=4,
    default_args={"owner": "ml-platform", "retries": 2, "retry_delay": timedelta(seconds=20)},
    tags=["batchscore", "example"],
    doc_md=DOC,
    params={
        "year": Param(
            None,
            type=["null", "integer"],
            minimum=1900,
            maximum=2100,
            title="Year",
            description="A year such as 2014; empty for the year in which the run's data interval begins",
        ),
    },
):
    plan = PlanPartitionsOperator(task_id="plan", dataset=matches, partitions=YEAR, model=f"{MODEL_URI}@champion")
    score = ScorePartitionOperator.partial(task_id="score", dataset=matches, output_uri=STAGING_URI).expand(
        partition=plan.output
    )
    check_scores = CheckScoresOperator(task_id="check_scores", plan=plan.output, scores=score.output)
    CombineOperator(
        task_id="publish",
        plan=plan.output,
        scores=check_scores.output,
        output_uri=f"{HOME}/predictions_by_year",
    )
