"""The probability that a user buys the next game, as one renamed column: `user_id, prediction`."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, task
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

GAMES = [f"G{n}" for n in range(1, 11)]
PLACE = f"{HOME}/purchase_likelihood"
games = PartitionedDataset(
    f"{PLACE}/data/games.csv", partition_by="user_id % 10", read_options={"column_types": {"user_id": "int64"}}
)

DOC = f"""
Predicts for every user the probability of buying the next game, from the ten games that they may own.

The table is one file, whose rows are divided into ten partitions by `user_id % 10`. The model is trained on two of
them and measured on a third; its learning curve, in the run's report, shows how many rows are enough. `gate` promotes
it if its ROC AUC is at least 0.7.

There is nothing to fill in when it is triggered.

**Reads** `{games.uri}`: synthetic, or the file that the environment variable `GAMES_CSV` names
(columns `G1` to `G10` and `label`; without a `user_id`, rows are known by their number). **Publishes**
`{PLACE}/predictions.parquet` with `user_id_mod_10`, `user_id` and `prediction`, and the newest report at
`{PLACE}/report.html`.
"""


@task
def make_data() -> str:
    from purchase_recipe import make_data

    return make_data(f"{PLACE}/data")


with DAG(
    dag_id="purchase_likelihood",
    description="The probability of a purchase for every user",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    default_args={"owner": "ml-platform"},
    tags=["batchscore", "example"],
    doc_md=DOC,
):
    data = make_data()
    train = TrainOperator(
        task_id="train",
        dataset=games,
        partitions="0..1",
        holdout=[2],
        recipe=Recipe(target="label", keys=["user_id"], columns=GAMES),
        estimator="sklearn.linear_model:LogisticRegression",
        model_uri=f"{PLACE}/models/purchase",
        metrics=["roc_auc", "neg_log_loss"],
        learning_curve=True,
    )
    gate = CheckModelOperator(task_id="gate", model=train.output, require={"roc_auc": ">=0.7"}, promote_to="champion")
    # One task for all partitions of the file, which reads each block of it once.
    plan = PlanPartitionsOperator(
        task_id="plan", dataset=games, model=f"{PLACE}/models/purchase@champion", pack_bytes=1 << 30
    )
    score = ScorePartitionOperator.partial(
        task_id="score",
        dataset=games,
        output_uri=f"{PLACE}/staging",
        method="predict_proba",
        outputs={"prediction_1": "prediction"},
    ).expand(partition=plan.output)
    audit = CheckScoresOperator(task_id="audit", plan=plan.output, scores=score.output)
    publish = CombineOperator(
        task_id="publish",
        plan=plan.output,
        scores=audit.output,
        output_uri=f"{PLACE}/predictions.parquet",
        report_uri=f"{PLACE}/report.html",
    )
    data >> train
    gate >> plan
