"""One pipeline on every engine: what differs is one argument. The environment says where the servers are."""

from __future__ import annotations

import json
import os

import pandas as pd
from small_pipeline import pipeline

from airflow_batchscore import DaskCluster, LocalDask, Spark


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """Of the DAG file itself, which no worker can import."""
    return frame[["a", "b"]].assign(both=frame["a"] * frame["b"]).dropna(subset=["b"])


ENGINES = {
    "on_local_dask": LocalDask(workers=2),
    "on_dask_cluster": DaskCluster(conn_id="test_dask"),
    "on_spark": Spark(conn_id="test_spark", config=json.loads(os.environ.get("TEST_SPARK_CONFIG", "{}"))),
}
for name, engine in ENGINES.items():
    options = {"block_rows": 100, "method": "predict_proba"}
    globals()[name] = pipeline(name, "sklearn.linear_model:LogisticRegression", engine, features, **options)
