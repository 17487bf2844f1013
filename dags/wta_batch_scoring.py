"""Train on one year of WTA matches, score many years, audit, publish one file."""

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

# Airflow answers "'abc' does not match '...'": so each pattern begins with what it expects, as a comment.
SPAN = r"\d+( *\.\. *\d+)?"
YEARS = rf"(?#a range such as 2000..2016, or years such as 2014, 2015)^\[? *({SPAN}( *, *{SPAN})*)? *\]?$"
VERSION = r"(?#the name of a version, such as cc9b817abfaf)^[A-Za-z0-9][A-Za-z0-9_-]*$"
OUTPUT = r"(?#a name such as predictions.parquet or predictions_2014.csv)^predictions[A-Za-z0-9_-]*(\.parquet|\.csv)?$"

DOC = f"""
Trains a model on one year of WTA tennis matches, scores many years with it in parallel, audits the scores, and
publishes them in one step.

A match has a first player, the one with the lower id, and a second. Whether the first wins is predicted from the leads
in rank, ranking points, age and height. Tennis is not that easy to foresee: about two of three predictions are right,
as many as with "the player with more ranking points wins".

| task | what it does |
| --- | --- |
| `wait_for_matches` | waits until the file of every year is there and complete |
| `choose_model` | goes on with the version named in the form, or else trains one |
| `train`, `check_model` | trains a version on four fifths of its year and measures it on the rest; promotes it to \
`champion` if its ROC AUC is at least 0.6, where a guess has 0.5 |
| `plan` | finds the years, and pins one model version for all of them |
| `score` | one task per year; what is committed already is reused |
| `check_scores` | reads the scores back from storage: nothing is missing, no row is in quarantine |
| `publish` | puts the years into the output, and writes the run's report |

**Trigger form**

| parameter | accepts |
| --- | --- |
| `years` | a range `2000..2016`, years `2014, 2015`, or nothing for all there are |
| `train_year` | a year whose file is there |
| `model_version` | the name of a folder in `{MODEL_URI}`; then nothing is trained |
| `force` | score again what is committed already |
| `output` | `predictions….parquet`, `predictions….csv`, or a name without an ending for a folder with a file per year |

**Reads** `{matches.uri}`. **Publishes** `{HOME}/<output>`: years that a run does not score stay as they are. Each
run's own report is the link *Run report* of `publish`; `{HOME}/report.html` shows the newest publication.
"""

with DAG(
    dag_id="wta_batch_scoring",
    description="Train on a year of tennis matches, score 17, audit, publish",
    schedule=SCHEDULE,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "ml-platform", "retries": 2, "retry_delay": timedelta(seconds=20)},
    tags=["batchscore", "example"],
    doc_md=DOC,
    params={
        "years": Param(
            "2000..2016",
            type=["string", "array", "null"],
            items={"type": ["integer", "string"], "pattern": YEARS},
            pattern=YEARS,
            examples=["2000..2016", "2014, 2015", "2016"],
            title="Years to score",
            description="A range such as 2000..2016, or years such as 2014, 2015; empty for all there are",
        ),
        "train_year": Param(
            2015,
            type="integer",
            minimum=1900,
            maximum=2100,
            title="Year to train on",
            description="A year whose matches are there; not used if a model version is named",
        ),
        "model_version": Param(
            None,
            type=["null", "string"],
            pattern=VERSION,
            title="Model version",
            description=(
                "Score with this version instead of training one: a name such as cc9b817abfaf, from a run's report or "
                f"from {MODEL_URI}. Empty: train one"
            ),
        ),
        "force": Param(
            False,
            type="boolean",
            title="Score again",
            description="Also what is committed already, from the same data with the same model",
        ),
        "output": Param(
            "predictions.parquet",
            type="string",
            pattern=OUTPUT,
            examples=["predictions.parquet", "predictions.csv", "predictions"],
            title="Output",
            description=(
                "A name such as predictions.parquet or predictions_2014.csv, or without an ending a folder with a file "
                "per year. The years scored now replace their earlier versions there; all other years are kept"
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
        holdout=0.2,
        estimator="wta_recipe:classifier",
        model_uri=MODEL_URI,
        metrics=["accuracy", "roc_auc"],
    )
    check_model = CheckModelOperator(
        task_id="check_model",
        model=train.output,
        require={"roc_auc": ">=0.6"},
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
