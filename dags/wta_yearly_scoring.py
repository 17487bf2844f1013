"""Score one year per run with the champion model, into one dataset partitioned by year.

The run's data interval names the year, so a schedule, a backfill over dates and a manual run all work:

    airflow backfill create --dag-id wta_yearly_scoring --from-date 2000-01-01 --to-date 2016-01-01

`wta_batch_scoring` trains the champion.
"""

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

with DAG(
    dag_id="wta_yearly_scoring",
    description="Score one year of tennis matches with the champion model",
    schedule=CronDataIntervalTimetable("@yearly", timezone="UTC"),
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    end_date=datetime(2016, 1, 1, tzinfo=UTC),  # the matches end with 2016: a later year would only fail
    catchup=False,
    max_active_runs=4,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=20)},
    tags=["batchscore", "example"],
    doc_md=__doc__,
    params={
        "year": Param(
            None,
            type=["null", "integer"],
            minimum=1900,
            maximum=2100,
            title="Year",
            description="Empty: the year in which the run's data interval begins",
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
