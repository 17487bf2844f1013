"""A model that was trained again challenges the champion, in the shadow of a run; what it would change decides."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, Param, XComArg, task
from example_home import HOME

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.operators import (
    CheckModelOperator,
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)

PLACE = f"{HOME}/champion_challenger"
MODEL = f"{PLACE}/models/hazard"
properties = PartitionedDataset(
    f"{PLACE}/data/properties_{{part}}.csv", read_options={"column_types": {"Id": "int64", "Hazard": "int64"}}
)
FEATURES = [*(f"T1_V{n}" for n in range(1, 18)), *(f"T2_V{n}" for n in range(1, 16))]
recipe = Recipe(target="Hazard", keys=["Id"], columns=FEATURES)

DOC = f"""
Two models score the same properties in one reading, and only the champion's scores are published. The other one, the
challenger, is promoted if its scores are close enough.

| task | what it does |
| --- | --- |
| `train_champion` | trains on a part of the data, and makes that version the `champion` |
| `train_challenger` | trains on more of the data |
| `plan`, `score` | both models score all ten parts: the data is read once, and each model has scores of its own |
| `audit`, `publish` | the champion's scores are audited and published, whatever becomes of the challenger |
| `compare` | fails if 95 % of the rows are not within `most` of the champion's hazard |
| `promote` | points `champion` at the version that was compared |

**Trigger form**: `most`, how far the challenger's hazard may be from the champion's, in 95 of 100 rows. With 0.01 the
challenger is refused, and the run fails after it has published.

**Reads** synthetic properties, or Liberty Mutual's inspections if the environment variable `LIBERTY_MUTUAL_CSV` names
them. **Publishes** `{PLACE}/predictions.parquet`, and the newest report, with the comparison, at `{PLACE}/report.html`.
"""


@task
def make_data() -> str:
    from hazard_recipe import make_data

    return make_data(f"{PLACE}/data", rows=3_000)


with DAG(
    dag_id="champion_challenger",
    description="A retrained model scores in the shadow of the champion, and is promoted if it is close enough",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    default_args={"owner": "ml-platform"},
    tags=["batchscore", "example"],
    doc_md=DOC,
    params={
        "most": Param(
            1.5,
            type="number",
            minimum=0,
            title="Most",
            description="How far the challenger's hazard may be from the champion's in 95 of 100 rows",
        )
    },
):
    champion = TrainOperator(
        task_id="train_champion",
        dataset=properties,
        partitions="0..3",
        recipe=recipe,
        estimator="hazard_recipe:linear",
        model_uri=MODEL,
        alias="champion",
    )
    challenger = TrainOperator(
        task_id="train_challenger",
        dataset=properties,
        partitions="0..7",
        recipe=recipe,
        estimator="hazard_recipe:linear",
        model_uri=MODEL,
    )
    plan = PlanPartitionsOperator(
        task_id="plan",
        dataset=properties,
        model=[f"{MODEL}@champion", challenger.output],
        max_tasks=1,  # the parts are small
    )
    score = ScorePartitionOperator.partial(
        task_id="score", dataset=properties, output_uri=f"{PLACE}/staging", outputs={"prediction": "hazard"}
    ).expand(partition=plan.output)
    audit = CheckScoresOperator(task_id="audit", plan=plan.output, scores=score.output)
    publish = CombineOperator(
        task_id="publish",
        plan=plan.output,
        scores=audit.output,
        output_uri=f"{PLACE}/predictions.parquet",
        report_uri=f"{PLACE}/report.html",
    )
    compare = CheckScoresOperator(
        task_id="compare", plan=plan.output, scores=score.output, max_difference={"p95": "{{ params.most }}"}
    )
    promote = CheckModelOperator(task_id="promote", model=XComArg(compare, "challenger"), promote_to="champion")
    make_data() >> [champion, challenger]
    champion >> plan
