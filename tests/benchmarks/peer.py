"""What the peers share: the workload that the command line names, its model, and a batch function over pandas."""

import os
import sys

import common as c

# Workers of Spark and Ray import this too, and have the environment of the script but not its arguments.
work = os.environ.setdefault("BENCH_WORK", sys.argv[-1])
kind, path, count, model_path = c.WORK[work]
features = c.feats(count)
csv = kind == "csv"
#: XGBoost answers in float32, everything else in float64.
single = "xgb" in model_path
out = f"{c.OUT}/scores"
#: Of the scripts, for workers that import what the peers share.
here = os.path.dirname(os.path.abspath(__file__))


def load(n_jobs=None):
    """The model. With `n_jobs`, so many of its own threads, where it has that setting."""
    import joblib

    model = joblib.load(model_path)
    if n_jobs and "n_jobs" in model.get_params():
        model.set_params(n_jobs=n_jobs)
    return model


def load_narrow():
    """The model for peers that predict two batches at once: one thread for each. To be called before NumPy is loaded."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    return load(n_jobs=1)


def score_frame(model, df):
    """pandas in, pandas out: what any of the batch UDFs calls."""
    import pandas as pd

    if not csv:
        return pd.DataFrame({"id": df["id"], "score": model.predict_proba(df[features])[:, 1]})
    d = (df[c.W] - df[c.L]).dropna().to_numpy()
    return pd.DataFrame({"diff": d, "pred": model.predict(d.reshape(-1, 1)) if len(d) else d.astype("int64")})


def score_columns(model, columns):
    """Arrays of the features' columns in, one array out: a matrix by columns, which `predict` takes without a copy."""
    import numpy as np

    x = np.stack(columns).T
    return model.predict(x) if csv else model.predict_proba(x)[:, 1]


def run(*peers):
    """The function that the command line names."""
    {peer.__name__.removesuffix("_"): peer for peer in peers}[sys.argv[1]]()
