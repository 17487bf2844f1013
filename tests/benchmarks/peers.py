"""The same work as other people would write it.

usage: python peers.py PEER WORK
PEER: tutorial daskml pandas sk_mapinpandas sk_predictudf sk_rowudf ray daft polars duckdb
Output: id+score (Parquet workloads) or diff+pred (CSV workloads) under $BENCH_OUT/PEER-WORK.
"""

import os
import sys
import tempfile

import common as c

peer, work = sys.argv[1:3]
kind, path, k, model_path = c.WORK[work]
fn = c.feats(k)
out = f"{c.OUT}/{peer}-{work}"
ROWS = int(os.environ.get("ROWS", "200000"))  # rows of the row-at-a-time UDF sample


def load():
    import joblib

    return joblib.load(model_path)


def score_frame(model, df):
    """pandas in, pandas out: what any of the batch UDFs calls."""
    import pandas as pd

    if kind == "parquet":
        return pd.DataFrame({"id": df["id"], "score": model.predict_proba(df[fn])[:, 1]})
    d = (df[c.W] - df[c.L]).dropna().to_numpy()
    return pd.DataFrame({"diff": d, "pred": model.predict(d.reshape(-1, 1)) if len(d) else d.astype("int64")})


# -- a. the tutorial's script: everything gathered to the client --------------
def tutorial():
    import dask.dataframe as dd
    import numpy as np
    from dask.distributed import Client, LocalCluster
    from dask_ml.wrappers import ParallelPostFit

    c.mark("import")
    cluster = LocalCluster()
    client = Client(cluster)
    c.mark("ready")
    clf = ParallelPostFit(load())
    c.fresh(out)
    if kind == "csv":
        df = dd.read_csv(path, assume_missing=True, dtype=CSV_OBJECTS)
        x = (df[c.W] - df[c.L]).dropna().compute().values.reshape(-1, 1)
        np.save(out + "/diff.npy", x[:, 0])
        np.save(out + "/pred.npy", clf.predict(x))
        n = len(x)
    else:
        df = dd.read_parquet(path + "/*.parquet")
        x = df[fn].compute().values
        np.save(out + "/id.npy", df["id"].compute().values)
        np.save(out + "/score.npy", clf.predict_proba(x)[:, 1])
        n = len(x)
    c.mark("scored")
    client.close()
    cluster.close()
    c.done(rows=n)


# columns whose inferred type differs between blocks: what a user ends up adding after the errors
CSV_OBJECTS = dict.fromkeys(
    (
        "tourney_id",
        "tourney_name",
        "surface",
        "tourney_level",
        "winner_entry",
        "winner_name",
        "winner_hand",
        "winner_ioc",
        "loser_entry",
        "loser_name",
        "loser_hand",
        "loser_ioc",
        "score",
        "round",
        "winner_seed",
        "loser_seed",
    ),
    "object",
)


# -- b. dask-ml kept lazy -----------------------------------------------------
def daskml():
    import dask.dataframe as dd
    import numpy as np
    from dask.distributed import Client, LocalCluster
    from dask_ml.wrappers import ParallelPostFit

    c.mark("import")
    cluster = LocalCluster()
    client = Client(cluster)
    c.mark("ready")
    c.fresh(out)
    if kind == "csv":
        clf = ParallelPostFit(load(), predict_meta=np.array([0]))
        df = dd.read_csv(path, usecols=[c.W, c.L], assume_missing=True)
        x = (df[c.W] - df[c.L]).dropna().to_frame("diff")
        x["pred"] = clf.predict(x[["diff"]].to_dask_array())
        x.to_parquet(out, write_index=False)
    else:
        m = load()
        proba = np.zeros((1, 2), dtype=np.float32 if "xgb" in model_path else np.float64)
        clf = ParallelPostFit(m, predict_proba_meta=proba)
        df = dd.read_parquet(path + "/*.parquet")
        y = df[["id"]]
        y["score"] = clf.predict_proba(df[fn].to_dask_array())[:, 1]
        y.to_parquet(out, write_index=False)
    c.mark("scored")
    client.close()
    cluster.close()
    c.done()


# -- c. naive pandas ----------------------------------------------------------
def pandas():
    import pandas as pd

    m = load()
    c.mark("ready")
    c.fresh(out)
    df = pd.read_csv(path) if kind == "csv" else pd.read_parquet(path, columns=None)
    c.mark("read")
    r = score_frame(m, df)
    c.mark("predicted")
    r.to_parquet(out + "/part-0.parquet", index=False)
    c.done(rows=len(r))


# -- d. Spark -----------------------------------------------------------------
def spark_session(extra=()):
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))  # workers find `common` there
    b = (
        SparkSession.builder.master("local[2]")
        .appName("bench")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "4g")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "50000")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.local.dir", os.path.join(tempfile.gettempdir(), "batchscore-spark"))
    )
    for kk, v in extra:
        b = b.config(kk, v)
    return b.getOrCreate()


def spark_read(s):
    from pyspark.sql import functions as F

    if kind == "parquet":
        return s.read.parquet(path)
    df = s.read.csv(path, header=True)
    return df.select(F.col(c.W).cast("double"), F.col(c.L).cast("double"))


def spark_done(s):
    c.mark("scored")
    s.stop()
    c.done()


def sk_mapinpandas():
    s = spark_session()
    c.mark("ready")
    mp = model_path

    def go(frames):
        import joblib

        m = joblib.load(mp)
        for df in frames:
            yield score_frame(m, df)

    schema = "diff double, pred long" if kind == "csv" else "id long, score " + ("float" if "xgb" in mp else "double")
    spark_read(s).mapInPandas(go, schema).write.mode("overwrite").parquet(out)
    spark_done(s)


def sk_predictudf():
    from pyspark.ml.functions import predict_batch_udf
    from pyspark.sql import functions as F
    from pyspark.sql.types import DoubleType, FloatType, LongType

    s = spark_session()
    c.mark("ready")
    mp = model_path

    def make():
        import joblib

        m = joblib.load(mp)
        return (lambda x: m.predict(x.reshape(-1, 1))) if kind == "csv" else (lambda x: m.predict_proba(x)[:, 1])

    df = spark_read(s)
    if kind == "csv":
        u = predict_batch_udf(make, return_type=LongType(), batch_size=50000)
        df = df.select((F.col(c.W) - F.col(c.L)).alias("diff")).dropna()
        df = df.withColumn("pred", u("diff"))
    else:
        u = predict_batch_udf(
            make, return_type=FloatType() if "xgb" in mp else DoubleType(), batch_size=50000, input_tensor_shapes=[[k]]
        )
        df = df.select("id", u(F.array(*fn)).alias("score"))
    df.write.mode("overwrite").parquet(out)
    spark_done(s)


def sk_rowudf():
    """One model.predict call per row, on the first ROWS rows only."""
    from pyspark.sql import functions as F

    s = spark_session([("spark.sql.execution.pythonUDF.arrow.enabled", "false")])
    c.mark("ready")
    m = s.sparkContext.broadcast(load())
    if kind == "csv":
        u = F.udf(lambda w, x: int(m.value.predict([[w - x]])[0]), "long")
        df = (
            spark_read(s)
            .dropna()
            .limit(ROWS)
            .select((F.col(c.W) - F.col(c.L)).alias("diff"), u(c.W, c.L).alias("pred"))
        )
    else:
        u = F.udf(lambda *x: float(m.value.predict_proba([x])[0, 1]), "double")
        df = spark_read(s).select("id", u(*fn).alias("score"))  # run it on the w1s sample
    df.write.mode("overwrite").parquet(out)
    spark_done(s)


# -- e. Ray Data --------------------------------------------------------------
class RayScorer:
    def __init__(self):
        self.m = load()

    def __call__(self, df):
        return score_frame(self.m, df)


def ray():
    os.environ.update(RAY_DEDUP_LOGS="0", RAY_USAGE_STATS_ENABLED="0")
    import ray

    c.mark("import")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=3 << 30,
        log_to_driver=False,
        logging_level="ERROR",
        _temp_dir=os.path.join(tempfile.gettempdir(), "batchscore-ray"),
        runtime_env={"env_vars": {"PYTHONPATH": os.path.dirname(os.path.abspath(__file__)), "OMP_NUM_THREADS": "1"}},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    c.mark("ready")
    c.fresh(out)
    if kind == "csv":
        import pyarrow.csv as pc

        ds = ray.data.read_csv(path, convert_options=pc.ConvertOptions(include_columns=[c.W, c.L]))
    else:
        ds = ray.data.read_parquet(path)
    ds = ds.map_batches(RayScorer, batch_format="pandas", batch_size=250_000, num_cpus=0.5, concurrency=2)
    ds.write_parquet(out)
    c.mark("scored")
    ray.shutdown()
    c.done()


# -- f. Daft, polars, duckdb --------------------------------------------------
def daft():
    import daft
    from daft import DataType

    c.mark("import")
    c.fresh(out)
    import numpy as np

    rt = DataType.int64() if kind == "csv" else DataType.float32() if "xgb" in model_path else DataType.float64()

    @daft.cls(max_concurrency=2)
    class Scorer:
        def __init__(self):
            self.m = load()

        @daft.method.batch(return_dtype=rt, batch_size=250_000)
        def one(self, *cols):
            x = np.stack([a.to_arrow().to_numpy(zero_copy_only=False) for a in cols]).T
            return self.m.predict(x) if kind == "csv" else self.m.predict_proba(x)[:, 1]

    sc = Scorer()
    c.mark("ready")
    if kind == "csv":
        df = (
            daft.read_csv(path)
            .select((daft.col(c.W) - daft.col(c.L)).cast(DataType.float64()).alias("diff"))
            .where(daft.col("diff").not_null())
        )
        df = df.with_column("pred", sc.one(daft.col("diff")))
    else:
        df = daft.read_parquet(path + "/*.parquet").select("id", sc.one(*[daft.col(x) for x in fn]).alias("score"))
    df.write_parquet(out)
    c.done()


def polars():
    import polars as pl

    m = load()
    c.mark("ready")
    c.fresh(out)

    def f(df):
        if kind == "csv":
            return df.with_columns(pred=pl.Series(m.predict(df["diff"].to_numpy().reshape(-1, 1)), dtype=pl.Int64))
        return df.select("id", score=pl.Series(m.predict_proba(df.select(fn).to_numpy())[:, 1]))

    if kind == "csv":
        lf = pl.scan_csv(path, schema_overrides={c.W: pl.Float64, c.L: pl.Float64}, infer_schema=False)
        lf = lf.select(diff=pl.col(c.W) - pl.col(c.L)).drop_nulls()
        sch = {"diff": pl.Float64, "pred": pl.Int64}
    else:
        lf = pl.scan_parquet(path + "/*.parquet")
        sch = {"id": pl.Int64, "score": pl.Float32 if "xgb" in model_path else pl.Float64}
    lf.map_batches(f, schema=sch, streamable=True).sink_parquet(out + "/part-0.parquet", compression="snappy")
    c.done()


def duckdb():
    import duckdb
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    m = load()
    c.mark("ready")
    c.fresh(out)
    con = duckdb.connect(config={"threads": 2, "preserve_insertion_order": True})
    if kind == "csv":
        q = f"select d as diff from (select {c.W}::double - {c.L}::double as d from read_csv('{path}', all_varchar=true)) where d is not null"
    else:
        q = f"select id, {', '.join(fn)} from read_parquet('{path}/*.parquet')"
    w = None
    for b in con.execute(q).to_arrow_reader(250_000):
        if not b.num_rows:
            continue
        if kind == "csv":
            d = b.column(0).to_numpy(zero_copy_only=False)
            r = pa.record_batch({"diff": b.column(0), "pred": m.predict(d.reshape(-1, 1))})
        else:
            x = np.stack([b.column(n).to_numpy(zero_copy_only=False) for n in fn]).T
            r = pa.record_batch({"id": b.column("id"), "score": m.predict_proba(x)[:, 1]})
        w = w or pq.ParquetWriter(out + "/part-0.parquet", r.schema)
        w.write_batch(r)
    w.close()
    c.done()


if __name__ == "__main__":
    globals()[peer]()
