"""The same work by Ray Data: a pool of two actors, each with the model.

usage: python peers_ray.py actors WORK
"""

import os
import tempfile

import common as c
from peer import csv, features, here, load, out, path, run, score_columns, work


class Scorer:
    def __init__(self):
        self.m = load(n_jobs=1)

    def __call__(self, table):
        import pyarrow as pa
        import pyarrow.compute as pc

        if csv:
            d = pc.drop_null(pc.subtract(table[c.W].cast("float64"), table[c.L].cast("float64"))).to_numpy()
            values = score_columns(self.m, [d]) if len(d) else d.astype("int64")
            return pa.table({"diff": d, "pred": values})
        return pa.table(
            {"id": table["id"], "score": score_columns(self.m, [table[name].to_numpy() for name in features])}
        )


def actors():
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
        runtime_env={"env_vars": {"PYTHONPATH": here, "BENCH_WORK": work, "OMP_NUM_THREADS": "1"}},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    c.mark("ready")
    c.fresh(out)
    if csv:
        import pyarrow.csv as pc

        ds = ray.data.read_csv(path, convert_options=pc.ConvertOptions(include_columns=[c.W, c.L]))
    else:
        ds = ray.data.read_parquet(path)
    # Half a core for each actor leaves a core to the tasks that read; the default batch is a block of the dataset.
    ds = ds.map_batches(Scorer, batch_format="pyarrow", num_cpus=0.5, compute=ray.data.ActorPoolStrategy(size=2))
    ds.write_parquet(out)
    c.mark("scored")
    ray.shutdown()
    c.done()


if __name__ == "__main__":
    run(actors)
