"""The same as tutorials write it: a LocalCluster and dask-ml's ParallelPostFit in Python tasks.

Written as well as their documentation allows: threads (NumPy and scikit-learn release Python's lock, and worker
processes do not start inside an Airflow task), lazy predictions that each worker writes itself, one partition per mapped
task, imports inside tasks, and publication by renaming a folder. It checks nothing, and a second run beside it or a
crash while it renames leaves what chance will have it.
"""

from __future__ import annotations

import os

from airflow.sdk import DAG, task
from end_to_end_recipe import FEATURES, label

DATA = os.environ["END_TO_END_DATA"]
HOME = os.environ["END_TO_END_HOME"] + "/tutorial"


@task
def train() -> str:
    import joblib
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score

    os.makedirs(HOME, exist_ok=True)
    frame = pd.read_parquet(f"{DATA}/part-000.parquet", columns=FEATURES)
    model = LogisticRegression().fit(frame, label(frame))
    held_out = pd.read_parquet(f"{DATA}/part-001.parquet", columns=FEATURES)
    if accuracy_score(label(held_out), model.predict(held_out)) < 0.9:
        raise ValueError("the model is not good enough")
    joblib.dump(model, f"{HOME}/model.joblib")
    return f"{HOME}/model.joblib"


@task
def plan(model: str) -> list[str]:
    return sorted(name for name in os.listdir(DATA) if name.endswith(".parquet"))


@task
def score(name: str) -> str:
    import dask.dataframe as dd
    import joblib
    import numpy as np
    from dask.distributed import Client, LocalCluster
    from dask_ml.wrappers import ParallelPostFit

    with (
        LocalCluster(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        model = ParallelPostFit(joblib.load(f"{HOME}/model.joblib"), predict_proba_meta=np.zeros((1, 2)))
        frame = dd.read_parquet(f"{DATA}/{name}", split_row_groups=True)
        scores = frame[["id"]]
        scores["score"] = model.predict_proba(frame[FEATURES].to_dask_array())[:, 1]
        scores.to_parquet(f"{HOME}/staging/{name.removesuffix('.parquet')}", write_index=False)
    return name


@task
def publish(scored: list[str]) -> int:
    os.rename(f"{HOME}/staging", f"{HOME}/published")
    return len(list(scored))


with DAG("tutorial_end_to_end", schedule=None):
    publish(score.expand(name=plan(train())))
