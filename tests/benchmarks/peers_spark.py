"""The same work by Spark's mapInPandas, in a session of two local cores.

usage: python peers_spark.py mapinpandas WORK
"""

import os
import shutil
import sys
import tempfile

import common as c
from peer import csv, here, load, out, path, run, score_frame, single


def mapinpandas():
    if not shutil.which("java"):
        c.skip("Spark needs Java, which is not installed")
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    # Spark's Python workers inherit the driver's environment, and find what the peers share there.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = here
    os.environ["OMP_NUM_THREADS"] = "1"  # two of them run at once
    s = (
        SparkSession.builder.master("local[2]")
        .appName("bench")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "4g")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "50000")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.local.dir", os.path.join(tempfile.gettempdir(), "batchscore-spark"))
        .getOrCreate()
    )
    c.mark("ready")

    def score(frames):
        model = load(n_jobs=1)
        for df in frames:
            yield score_frame(model, df)

    if csv:
        df = s.read.csv(path, header=True).select(F.col(c.W).cast("double"), F.col(c.L).cast("double"))
    else:
        df = s.read.parquet(path)
    schema = "diff double, pred long" if csv else f"id long, score {'float' if single else 'double'}"
    df.mapInPandas(score, schema).write.mode("overwrite").parquet(out)
    c.mark("scored")
    s.stop()
    c.done()


if __name__ == "__main__":
    run(mapinpandas)
