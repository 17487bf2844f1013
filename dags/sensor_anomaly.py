"""A thousand sensors, each with its own one-class SVM: one task trains all, packed tasks score one day of each."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, Param, task
from example_home import DAILY, HOME

from airflow_batchscore import ModelPolicy, PartitionedDataset, Recipe
from airflow_batchscore.operators import (
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)

PLACE = f"{HOME}/sensor_anomaly"
TRAINING_DAY = "2026-01-01"
DAY = "{{ params.day or ds }}"
readings = f"{PLACE}/readings/{{device}}/{{sensor}}"
model = f"{PLACE}/models/{{device}}/{{sensor}}"

DOC = f"""
A thousand sensors, each with a model of what is normal for it (a one-class SVM). One task trains all of them, a few
tasks score one day of each.

A sensor without a usable model is skipped, and listed in the run's report. What was trained or scored before from the
same readings is reused: a daily run trains nothing new and scores one day.

**Trigger form**

| parameter | accepts |
| --- | --- |
| `sensors` | how many there are, 1 to 100,000 |
| `day` | a date such as 2026-01-02; empty for the day of the run's data interval |
| `tasks` | how many scoring tasks share them, 1 to 64 |

**Reads** `{readings}/<day>.csv`, synthetic: every tenth sensor misbehaves for an hour. **Publishes** the day in
`{PLACE}/predictions.parquet` in place of the day before, with `anomaly` for readings that are not normal, and the
newest report at `{PLACE}/report.html`.
"""


@task
def make_data(sensors: str, day: str) -> str:
    """Readings of the training day and of the day to score."""
    from sensor_recipe import make_data

    return make_data(f"{PLACE}/readings", int(sensors), [TRAINING_DAY, day])


with DAG(
    dag_id="sensor_anomaly",
    description="A model for each of a thousand sensors",
    schedule=DAILY,
    catchup=False,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    default_args={"owner": "ml-platform"},
    tags=["batchscore", "example"],
    doc_md=DOC,
    params={
        "sensors": Param(
            1000,
            type="integer",
            minimum=1,
            maximum=100_000,
            title="Sensors",
            description="How many there are: 1 to 100,000. Readings that are missing are made",
        ),
        "day": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Day to score",
            description="A date such as 2026-01-02; empty for the day of the run's data interval",
        ),
        "tasks": Param(
            4,
            type="integer",
            minimum=1,
            maximum=64,
            title="Scoring tasks",
            description="How many tasks share the sensors: 1 to 64",
        ),
    },
):
    data = make_data("{{ params.sensors }}", DAY)
    train = TrainOperator(
        task_id="train",
        dataset=PartitionedDataset(f"{readings}/{TRAINING_DAY}.csv"),
        partitions=None,
        recipe=Recipe(keys=["time"], columns=["temperature", "vibration"]),
        estimator="sensor_recipe:one_class_svm",
        model_uri=model,
        alias="champion",
        max_failed=10,
    )
    window = PartitionedDataset(f"{readings}/{DAY}.csv")
    plan = PlanPartitionsOperator(
        task_id="plan",
        dataset=window,
        model=f"{model}@champion",
        model_policy=ModelPolicy(missing="skip", damaged="skip"),
        max_tasks="{{ params.tasks }}",
        plan_uri=f"{PLACE}/plans",
    )
    score = ScorePartitionOperator.partial(
        task_id="score",
        dataset=window,
        output_uri=f"{PLACE}/staging",
        method=["decision_function", "score_samples"],
        flags={"anomaly": "decision_function<-0.5"},
    ).expand(partition=plan.output)
    audit = CheckScoresOperator(task_id="audit", plan=plan.output, scores=score.output)
    publish = CombineOperator(
        task_id="publish",
        plan=plan.output,
        scores=audit.output,
        output_uri=f"{PLACE}/predictions.parquet",
        replace_all=True,  # the file holds one day: a sensor without data today must not keep yesterday's
        report_uri=f"{PLACE}/report.html",
    )
    data >> train >> plan
