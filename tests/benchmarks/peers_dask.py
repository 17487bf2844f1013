"""The same work by dask-ml's ParallelPostFit, kept lazy as its documentation does, and gathered as tutorials do.

usage: python peers_dask.py lazy|gathered WORK
"""

import common as c
from peer import csv, features, load, load_narrow, out, path, run, single


def lazy():
    """Threads in this process, as in dask-ml's example of prediction: NumPy and scikit-learn release the lock."""
    model = load_narrow()
    import dask.dataframe as dd
    import numpy as np
    from dask.distributed import Client
    from dask_ml.wrappers import ParallelPostFit

    c.mark("import")
    client = Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None)
    c.mark("ready")
    c.fresh(out)
    if csv:
        clf = ParallelPostFit(model, predict_meta=np.array([0]))
        df = dd.read_csv(path, usecols=[c.W, c.L], assume_missing=True)
        x = (df[c.W] - df[c.L]).dropna().to_frame("diff")
        x["pred"] = clf.predict(x[["diff"]].to_dask_array())
        x.to_parquet(out, write_index=False)
    else:
        proba = np.zeros((1, 2), dtype=np.float32 if single else np.float64)
        clf = ParallelPostFit(model, predict_proba_meta=proba)
        df = dd.read_parquet(path + "/*.parquet")
        y = df[["id"]]
        y["score"] = clf.predict_proba(df[features].to_dask_array())[:, 1]
        y.to_parquet(out, write_index=False)
    c.mark("scored")
    client.close()
    c.done()


def gathered():
    """The script that this package began as: a LocalCluster reads, the client collects all of it and predicts."""
    import dask.dataframe as dd
    import numpy as np
    from dask.distributed import Client, LocalCluster
    from dask_ml.wrappers import ParallelPostFit

    c.mark("import")
    cluster = LocalCluster(dashboard_address=None)
    client = Client(cluster)
    c.mark("ready")
    clf = ParallelPostFit(load())
    c.fresh(out)
    if csv:
        df = dd.read_csv(path, usecols=[c.W, c.L], assume_missing=True)
        x = (df[c.W] - df[c.L]).dropna().compute().values.reshape(-1, 1)
        np.save(out + "/diff.npy", x[:, 0])
        np.save(out + "/pred.npy", clf.predict(x))
    else:
        df = dd.read_parquet(path + "/*.parquet")
        x = df[features].compute().values
        np.save(out + "/id.npy", df["id"].compute().values)
        np.save(out + "/score.npy", clf.predict_proba(x)[:, 1])
    c.mark("scored")
    client.close()
    cluster.close()
    c.done()


if __name__ == "__main__":
    run(lazy, gathered)
