"""`hazard_regression` with features made on Spark: letters become numbers there, and what made them is kept."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, task
from example_home import HOME
from hazard_features import FEATURES

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.operators import (
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)

PLACE = f"{HOME}/hazard_spark"
TRAINED = 8  #: of the ten parts; the letters of the other two may be new
features = PartitionedDataset(f"{PLACE}/features/part={{part}}/features.parquet")

DOC = f"""
Makes the features of properties on Spark, trains XGBoost on eight of their ten parts, measures it on the other two,
and scores all parts. Spark runs in the task `make_features`, with two threads; a cluster works as well.

It needs Java 17 or newer, and the extra `spark` of this package. There is nothing to fill in when it is triggered.

**Reads** the data of `hazard_regression`. **Publishes** `{PLACE}/predictions.parquet`, and the newest report at
`{PLACE}/report.html`. What turned letters into numbers is in `{PLACE}/models/features.json`.
"""


@task
def make_features() -> int:
    """Of rows that Spark deals to ten parts; made once. Returns their number."""
    import os
    import sys
    from pathlib import Path

    import hazard_features
    from hazard_recipe import PARTS, make_data
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import spark_partition_id

    data = f"{HOME}/hazard_regression/data"
    make_data(data)
    os.environ["PYSPARK_PYTHON"] = sys.executable  # else the first one in the path, which may lack this package
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        spark.sparkContext.addPyFile(hazard_features.__file__)  # Spark's own Pythons do not see the DAGs folder
        raw = spark.read.csv(f"{data}/properties_*.csv", header=True, inferSchema=True).repartition(PARTS, "Id")
        if Path(PLACE, "models", "features.json").exists():
            return int(raw.count())
        made = hazard_features.fit(raw.where(spark_partition_id() < TRAINED))
        rows = hazard_features.write(made, raw, f"{PLACE}/features")
        made.save(f"{PLACE}/models/features.json")
        return rows
    finally:
        spark.stop()


with DAG(
    dag_id="hazard_spark",
    description="Property hazards: features on Spark, XGBoost, scores",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    default_args={"owner": "ml-platform"},
    tags=["batchscore", "example"],
    doc_md=DOC,
):
    made = make_features()
    train = TrainOperator(
        task_id="train",
        dataset=features,
        partitions=f"0..{TRAINED - 1}",
        holdout=f"{TRAINED}..9",
        recipe=Recipe(target="Hazard", keys=["Id"], columns=FEATURES),
        estimator="hazard_recipe:EarlyStopped",
        model_uri=f"{PLACE}/models/hazard",
        metrics=["rmse"],
        alias="champion",
    )
    plan = PlanPartitionsOperator(task_id="plan", dataset=features, model=train.output)
    score = ScorePartitionOperator.partial(
        task_id="score", dataset=features, output_uri=f"{PLACE}/staging", outputs={"prediction": "hazard"}
    ).expand(partition=plan.output)
    audit = CheckScoresOperator(task_id="audit", plan=plan.output, scores=score.output)
    publish = CombineOperator(
        task_id="publish",
        plan=plan.output,
        scores=audit.output,
        output_uri=f"{PLACE}/predictions.parquet",
        report_uri=f"{PLACE}/report.html",
    )
    made >> train
