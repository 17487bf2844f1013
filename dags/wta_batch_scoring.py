"""Train on one year of WTA matches, score many years, audit, publish one file.

Trigger it manually to override the years, the training year, the model version, or the name of the result. Years
that a run does not score stay unchanged in the output.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param, task
from wta_common import HOME, MODEL_URI, SCHEDULE, STAGING_URI, matches, recipe

from airflow_batchscore.operators import (
    CheckModelOperator,
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)
from airflow_batchscore.sensors import PartitionSensor

YEARS = r"^[\[\]0-9., ]*$"

with DAG(
    dag_id="wta_batch_scoring",
    description="Train on a year of tennis matches, score 17, audit, publish",
    schedule=SCHEDULE,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=20)},
    tags=["batchscore", "example"],
    doc_md=__doc__,
    params={
        "years": Param(
            "2000..2016",
            type=["array", "string", "null"],
            # The form returns a list of the lines typed: each may be a year, a range or a list.
            items={"type": ["integer", "string"], "pattern": YEARS},
            pattern=YEARS,
            title="Years to score",
            description="A range such as 2000..2016, or years such as 2014, 2015; empty for all there are",
        ),
        "train_year": Param(2015, type="integer", minimum=1900, maximum=2100, title="Year to train on"),
        "model_version": Param(
            None,
            type=["null", "string"],
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
            title="Model version",
            description="Score with this version instead of training one",
        ),
        "force": Param(False, type="boolean", title="Score again", description="Also what is committed already"),
        "output": Param(
            "predictions.parquet",
            type="string",
            pattern=r"^predictions[A-Za-z0-9_-]*(\.parquet|\.csv)?$",
            title="Output",
            description=(
                "predictions....parquet or .csv, or without an ending a folder with a file per year. The years scored "
                "now replace their earlier versions there; all other years are kept"
            ),
        ),
    },
):

    @task.branch
    def choose_model(params: dict[str, object] | None = None) -> str:
        """A version named in the form is used; otherwise one is trained."""
        assert params is not None, "Airflow passes what stands in the context"
        return "plan" if params["model_version"] else "train"

    wait = PartitionSensor(
        task_id="wait_for_matches",
        dataset=matches,
        partitions="{{ params.years }}",
        poke_interval=30,
        timeout=600,
    )
    train = TrainOperator(
        task_id="train",
        dataset=matches,
        partitions="{{ params.train_year }}",
        recipe=recipe,
        estimator="sklearn.linear_model:LogisticRegression",
        model_uri=MODEL_URI,
        metrics=["accuracy", "roc_auc"],
    )
    check_model = CheckModelOperator(
        task_id="check_model",
        model=train.output,
        require={"accuracy": ">=0.9"},
        promote_to="champion",
    )
    plan = PlanPartitionsOperator(
        task_id="plan",
        dataset=matches,
        partitions="{{ params.years }}",
        model=(
            "{{ '" + MODEL_URI + "/' ~ params.model_version if params.model_version "
            "else ti.xcom_pull(task_ids='check_model') }}"
        ),
        inlets=check_model.outlets,  # the model above is known only to a run, the Assets page draws it as usual
        trigger_rule="none_failed_min_one_success",
    )
    score = ScorePartitionOperator.partial(
        task_id="score",
        dataset=matches,
        output_uri=STAGING_URI,
        force="{{ params.force }}",
    ).expand(partition=plan.output)
    check_scores = CheckScoresOperator(task_id="check_scores", plan=plan.output, scores=score.output)
    publish = CombineOperator(
        task_id="publish",
        plan=plan.output,
        scores=check_scores.output,
        output_uri=f"{HOME}/{{{{ params.output }}}}",
        report_uri=f"{HOME}/report.html",
    )

    chosen = choose_model()
    wait >> chosen >> [train, plan]
    train >> check_model >> plan
    check_scores >> publish
