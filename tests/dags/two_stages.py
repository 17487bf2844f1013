"""A champion and a challenger score the same data, and a function scores other data; and a DAG that never runs."""

from __future__ import annotations

from typing import Any

import pandas as pd
from airflow.sdk import DAG, task
from small_pipeline import PARAMS, pipeline

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.operators import PlanPartitionsOperator, ScorePartitionOperator, TrainOperator


def double(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["a"]] * 2


def data(name: str) -> PartitionedDataset:
    return PartitionedDataset(
        f"{{{{ var.value.folder }}}}/{name}_{{p}}.csv", read_options={"column_types": {"id": "int64"}}
    )


def model(name: str, estimator: str) -> Any:
    return TrainOperator(
        task_id=f"train_{name}",
        dataset=data("part"),
        partitions=0,
        recipe=Recipe(target="label", keys=["id"], columns=["a", "b"]),
        estimator=estimator,
        model_uri="{{ var.value.folder }}/" + name,
    ).output


def score(name: str, dataset: PartitionedDataset, entries: Any, **how: Any) -> Any:
    return ScorePartitionOperator.partial(
        task_id=name,
        dataset=dataset,
        output_uri="{{ var.value.folder }}/staged_" + name,
        engine=LocalDask(workers=1),
        **how,
    ).expand(partition=entries)


@task
def as_they_are(entries: Any) -> Any:
    """As a DAG does that chooses entries; see docs/operations.md."""
    return list(entries)


with DAG("two_stages", schedule=None, params=PARAMS) as dag:
    # In alphabetical order the plans are the other way round than their scoring tasks.
    plans = {
        name: PlanPartitionsOperator(
            task_id=f"plan_{name}",
            dataset=data("part"),
            partitions=partitions,
            model=model(kind, estimator),
        ).output
        for name, partitions, kind, estimator in (
            ("1", "{{ params.partitions }}", "champion", "sklearn.linear_model:LogisticRegression"),
            ("2", [1], "challenger", "sklearn.tree:DecisionTreeClassifier"),
        )
    }
    score("zz_champion", data("part"), plans["1"])
    score("challenger", data("part"), as_they_are(plans["2"]))
    others = PlanPartitionsOperator(task_id="plan_others", dataset=data("other")).output
    score("others", data("other"), others, function=double)


#: For tests that write the rows of its runs themselves.
never_run = pipeline("never_run", "sklearn.linear_model:LogisticRegression", LocalDask(workers=1))
