"""Pipelines whose forms leave open what a careless author can leave open, for the attacks of `tests/security`."""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import DAG

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.operators import (
    CombineOperator,
    ImportModelOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)
from airflow_batchscore.sensors import PartitionSensor

HOME = os.environ["SECURITY_HOME"]
DATA = PartitionedDataset(f"{HOME}/part_{{p}}.csv", read_options={"column_types": {"id": "int64"}})
RECIPE = Recipe(target="label", keys=["id"], columns=["a", "b"])
ESTIMATOR = "sklearn.linear_model:LogisticRegression"


def form(dag_id: str, **params: Any) -> DAG:
    return DAG(dag_id, schedule=None, params=params, is_paused_upon_creation=False)


with form("form_version", version="none"):
    PlanPartitionsOperator(task_id="plan", dataset=DATA, partitions=1, model=f"{HOME}/model/{{{{ params.version }}}}")

with form("form_partitions", partitions="none"):
    PlanPartitionsOperator(task_id="plan", dataset=DATA, partitions="{{ params.partitions }}")

with form("form_model", model="none"):
    PlanPartitionsOperator(task_id="plan", dataset=DATA, partitions=1, model="{{ params.model }}")

with form("form_connection", conn_id="none"):
    PlanPartitionsOperator(
        task_id="plan",
        dataset=DATA,
        partitions=1,
        model="s3://models/tennis@champion",
        conn_id="{{ params.conn_id }}",
    )

with form("form_dataset", dataset="none", rest="none"):
    for store in ("gs://anonymous@bucket", "abfs://container@account", "s3://bucket", HOME):
        PlanPartitionsOperator(
            task_id=f"below_{store.partition(':')[0].rpartition('/')[2]}",
            dataset=PartitionedDataset(f"{store}/x/{{{{ params.rest }}}}", format="csv"),
        )
    PlanPartitionsOperator(task_id="anywhere", dataset=PartitionedDataset("{{ params.dataset }}", format="csv"))

with form("form_customer", customer="none"):
    pattern = PartitionedDataset(f"{HOME}/{{{{ params.customer }}}}/{{day}}.csv")
    PartitionSensor(task_id="wait", dataset=pattern, partitions="1", timeout=60, poke_interval=5)
    PlanPartitionsOperator(task_id="plan", dataset=pattern)

with form("form_source", source="none", sha256=None):
    ImportModelOperator(
        task_id="import_model",
        source="{{ params.source }}",
        sha256="{{ params.sha256 }}",
        flavor="joblib",
        dataset=DATA,
        partitions=0,
        recipe=RECIPE,
        model_uri=f"{HOME}/imported",
    )

with form("form_training", model_uri="none"):
    TrainOperator(
        task_id="train",
        dataset=DATA,
        partitions=0,
        recipe=RECIPE,
        estimator=ESTIMATOR,
        model_uri="{{ params.model_uri }}",
    )

with form("form_output", names=[], outputs=[], reports=[]):
    trained = TrainOperator(
        task_id="train", dataset=DATA, partitions=0, recipe=RECIPE, estimator=ESTIMATOR, model_uri=f"{HOME}/trained"
    )
    plan = PlanPartitionsOperator(task_id="plan", dataset=DATA, partitions=1, model=trained.output)
    scored = ScorePartitionOperator.partial(task_id="score", dataset=DATA, output_uri=f"{HOME}/staged").expand(
        partition=plan.output
    )
    here = f"{HOME}/results"
    # Of one run, for all that is tried: a run for each would take minutes.
    places = {
        "honest": (f"{here}/honest.parquet", None),
        **{f"name_{n}": (f"{here}/{{{{ params.names[{n}] }}}}", None) for n in range(5)},
        **{f"output_{n}": (f"{{{{ params.outputs[{n}] }}}}", None) for n in range(7)},
        **{f"report_{n}": (f"{here}/{n}.parquet", f"{{{{ params.reports[{n}] }}}}") for n in range(4)},
    }
    for task_id, (output, report) in places.items():
        CombineOperator(task_id=task_id, plan=plan.output, scores=scored.output, output_uri=output, report_uri=report)

with form("form_staging", staged=[]):
    trained = TrainOperator(
        task_id="train", dataset=DATA, partitions=0, recipe=RECIPE, estimator=ESTIMATOR, model_uri=f"{HOME}/trained"
    )
    plan = PlanPartitionsOperator(task_id="plan", dataset=DATA, partitions=1, model=trained.output)
    for n in range(4):
        ScorePartitionOperator.partial(
            task_id=f"score_{n}", dataset=DATA, output_uri=f"{{{{ params.staged[{n}] }}}}"
        ).expand(partition=plan.output)
