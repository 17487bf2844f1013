"""A model that decays is detected and retrained automatically."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, Asset, Param, task
from example_home import HOME

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.operators import CheckModelOperator, EvaluateOperator, TrainOperator

MONTHS = [f"2026-{month:02d}" for month in range(1, 7)]
PLACE = f"{HOME}/model_decay"
prices = PartitionedDataset(f"{PLACE}/data/prices_{{month}}.csv")
recipe = Recipe(target="price", keys=["id"], columns=["area", "rooms"])
decayed = Asset(name="price-model-decayed", uri="batchscore://price-model/decayed")

DOC = f"""
A model of prices that decays is detected and retrained automatically, by three DAGs:

1. `decay_start` makes the data, trains the first version on the first month and promotes it to `champion`.
2. `decay_watch` measures the champion on a month's labels. If its error is a fifth worse than at training, it raises an
   event of the asset `{decayed.name}`.
3. `decay_retrain` is scheduled on that asset: it trains on the newest month and promotes the result.

**Trigger form** of `decay_watch`: `month`, one of {", ".join(MONTHS)}.

**Reads** `{prices.uri}`. **Keeps** model versions in `{PLACE}/models/price`, with every measurement in `evaluations/`
beside each version. Nothing is scored or published here.
"""
OWNER = {"owner": "ml-platform"}


@task
def make_data() -> str:
    from price_recipe import make_data

    return make_data(f"{PLACE}/data")


def _train(months: str) -> None:
    train = TrainOperator(
        task_id="train",
        dataset=prices,
        partitions=months,
        holdout=0.25,
        recipe=recipe,
        estimator="sklearn.linear_model:LinearRegression",
        model_uri=f"{PLACE}/models/price",
        metrics=["rmse"],
    )
    gate = CheckModelOperator(task_id="gate", model=train.output, require={"rmse": "<=20000"}, promote_to="champion")
    train >> gate


with DAG(
    dag_id="decay_start",
    description="The first model, trained on the first month",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    default_args=OWNER,
    tags=["batchscore", "example"],
    doc_md=DOC,
) as start:
    data = make_data()
    _train(MONTHS[0])
    data >> start.get_task("train")

with DAG(
    dag_id="decay_watch",
    description="Measure the champion on a month's labels",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    default_args=OWNER,
    tags=["batchscore", "example"],
    doc_md=DOC,
    params={
        "month": Param(
            MONTHS[-1],
            type="string",
            enum=MONTHS,
            title="Month",
            description="Whose labels have arrived: the champion is measured on them",
        )
    },
):
    EvaluateOperator(
        task_id="evaluate",
        model=f"{PLACE}/models/price@champion",
        dataset=prices,
        partitions=["{{ params.month }}"],
        require={"rmse": "<=1.2*baseline"},
        decayed=decayed,
    )

with DAG(
    dag_id="decay_retrain",
    description="Train again, when the champion has decayed",
    schedule=[decayed],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    default_args=OWNER,
    tags=["batchscore", "example"],
    doc_md=DOC,
):
    _train(MONTHS[-1])
