"""The same work by a library of one process, as its documentation says (docs/benchmark/fairness.md).

usage: python peers.py pandas|polars|polars_narrow|duckdb|daft WORK
Output: id and score (Parquet workloads) or diff and pred (CSV workloads), below $BENCH_OUT.
"""

import os
import sys
import threading

import common as c
from peer import csv, features, load, load_narrow, out, path, run, score_columns, score_frame, single

ROWS = 250_000


def pandas():
    import pandas as pd

    m = load()
    c.mark("ready")
    c.fresh(out)
    df = pd.read_csv(path, usecols=[c.W, c.L]) if csv else pd.read_parquet(path)
    r = score_frame(m, df)
    r.to_parquet(out + "/part-0.parquet", index=False)
    c.done(rows=len(r))


def polars_narrow():
    """As `polars`, which predicts two batches at once, with one thread for each."""
    polars(load_narrow())


def polars(m=None):
    m = m or load()
    import polars as pl

    c.mark("ready")
    c.fresh(out)

    def score(df):
        if csv:
            return df.with_columns(pred=pl.Series(m.predict(df["diff"].to_numpy().reshape(-1, 1)), dtype=pl.Int64))
        return df.select("id", score=pl.Series(m.predict_proba(df.select(features).to_numpy())[:, 1]))

    if csv:
        lf = pl.scan_csv(path, schema_overrides={c.W: pl.Float64, c.L: pl.Float64}, infer_schema=False)
        lf = lf.select(diff=pl.col(c.W) - pl.col(c.L)).drop_nulls()
        schema = {"diff": pl.Float64, "pred": pl.Int64}
    else:
        lf = pl.scan_parquet(path + "/*.parquet")
        schema = {"id": pl.Int64, "score": pl.Float32 if single else pl.Float64}
    lf.map_batches(score, schema=schema, streamable=True).sink_parquet(
        out + "/part-0.parquet", compression="snappy", maintain_order=False
    )
    c.done()


def duckdb():
    """DuckDB reads on its threads; two of Python's take batches from the reader, predict and write a file each."""
    m = load_narrow()
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

    c.mark("ready")
    c.fresh(out)
    con = duckdb.connect(config={"threads": 2, "preserve_insertion_order": False})
    if csv:
        q = f"select d as diff from (select {c.W}::double - {c.L}::double as d from read_csv('{path}', all_varchar=true)) where d is not null"
    else:
        q = f"select id, {', '.join(features)} from read_parquet('{path}/*.parquet')"
    reader, turn, failures = con.sql(q).to_arrow_reader(ROWS), threading.Lock(), []

    def take():
        with turn:
            return next(reader, None)

    def score(number):
        writer = None
        try:
            while (b := take()) is not None:
                if not b.num_rows:
                    continue
                key, rest = ("diff", ["diff"]) if csv else ("id", features)
                values = score_columns(m, [b.column(n).to_numpy(zero_copy_only=False) for n in rest])
                r = pa.record_batch({key: b.column(key), "pred" if csv else "score": values})
                writer = writer or pq.ParquetWriter(f"{out}/part-{number}.parquet", r.schema)
                writer.write_batch(r)
        except BaseException as error:
            failures.append(error)
        finally:
            if writer:
                writer.close()

    threads = [threading.Thread(target=score, args=(number,)) for number in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if failures:
        raise failures[0]
    c.done()


def daft():
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before Daft loads NumPy
    import daft
    from daft import DataType

    c.mark("import")
    c.fresh(out)
    returned = DataType.int64() if csv else DataType.float32() if single else DataType.float64()

    # With max_concurrency=, each instance would have a process of its own, for twice the CPU.
    @daft.cls(use_process=False)
    class Scorer:
        def __init__(self):
            self.m = load(n_jobs=1)

        @daft.method.batch(return_dtype=returned, batch_size=ROWS)
        def score(self, *columns):
            return score_columns(self.m, [a.to_arrow().to_numpy(zero_copy_only=False) for a in columns])

    scorer = Scorer()
    c.mark("ready")
    if csv:
        df = (
            daft.read_csv(path)
            .select((daft.col(c.W) - daft.col(c.L)).cast(DataType.float64()).alias("diff"))
            .where(daft.col("diff").not_null())
        )
        df = df.with_column("pred", scorer.score(daft.col("diff")))
    else:
        df = daft.read_parquet(path + "/*.parquet")
        df = df.select("id", scorer.score(*[daft.col(x) for x in features]).alias("score"))
    df.write_parquet(out)
    c.done()
    sys.stdout.flush()
    os._exit(0)  # one run in six aborts while Python ends ("PyGILState_Release", 0.7.26), with all files complete


if __name__ == "__main__":
    run(pandas, polars, polars_narrow, duckdb, daft)
