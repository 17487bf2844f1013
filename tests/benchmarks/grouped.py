"""One row a call against groups of rows, the same model in Spark on this machine. usage: grouped.py [ROWS]

A Python UDF that calls `predict` for each row, as one writes it first, beside `predict_udf`. Prints a table.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

SINGLE_ROWS = 20_000


def main():
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import struct, udf

    from airflow_batchscore import PartitionedDataset, Recipe
    from airflow_batchscore.engine.spark import predict_udf
    from airflow_batchscore.model import artifact
    from airflow_batchscore.training.train import TrainingJob, train

    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000
    folder = Path(tempfile.mkdtemp(prefix="batchscore-grouped-"))
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(5000, 8)), columns=[f"f{n}" for n in range(8)])
    frame.assign(label=(frame.sum(axis=1) > 0).astype(int), id=range(5000)).to_csv(folder / "part_0.csv", index=False)
    recipe = Recipe(target="label", keys=["id"], columns=list(frame))
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv")
    ref = train(TrainingJob(dataset, [0], recipe, "sklearn.linear_model:LogisticRegression", f"{folder}/model")).ref

    loopback = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}
    spark = SparkSession.builder.master("local[2]").config(map={**loopback, "spark.driver.memory": "4g"}).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    columns = ", ".join(f"randn({n}) AS f{n}" for n in range(8))
    estimator = artifact.load(ref).estimator
    del estimator.feature_names_in_  # no warning for each row, which would cost it time

    def one(*values):
        return int(estimator.predict(np.array([values]))[0])

    def measure(name, count, predict):
        table = spark.range(count, numPartitions=8).selectExpr(*columns.split(", "))
        best = None
        for _ in range(3):
            began = time.monotonic()
            table.select(predict.alias("p")).selectExpr("sum(p)").collect()
            best = min(best or 1e9, time.monotonic() - began)
        print(f"| {name} | {count:,} | {best:.1f} | {count / best:,.0f} |", flush=True)
        return count / best

    print("| | rows | seconds (best of 3) | rows a second |\n| --- | --- | --- | --- |")
    single = measure("a row a call (Python UDF)", SINGLE_ROWS, udf(one, "int")(*frame))
    grouped = measure("groups of 50,000 (`predict_udf`)", rows, predict_udf(ref.uri)(struct(*frame)))
    print(
        f"\n{grouped / single:,.0f} times as many rows a second; 140 million rows: "
        f"{140e6 / single / 3600:.1f} h against {140e6 / grouped / 60:.1f} min"
    )
    spark.stop()


if __name__ == "__main__":
    main()
