"""How far off a run's estimate is, and what it costs, on the benchmark's workloads.

usage: PYTHONPATH=. .bench-venv/bin/python tests/benchmarks/estimate.py [--works w1 w2 ...] [--seconds N] [--rounds N]

Copies of a workload's data are the partitions of one scoring task; there are as many as make a run of about so many
seconds. Each round is a process of its own that has all imports, as Airflow's tasks are forked from one: it makes the
estimate, and then scores. Written are what was predicted, what it took, and the share of the run that the sample cost.
"""

from __future__ import annotations

import argparse
import atexit
import json
import shutil
import statistics
import subprocess
import sys
import threading
import time
from typing import Any

import common as c
from engine import artifact_of, preload
from eta import copied

_WORKERS = 2
_WORKS = ["w1", "w2", "w3h", "w3x", "w4"]


def job_of(work: str, uri: str) -> Any:
    """The job of `eta.py`."""
    from airflow_batchscore import PartitionedDataset
    from airflow_batchscore.model.outputs import OutputSpec
    from airflow_batchscore.plan.models import OneModel
    from airflow_batchscore.scoring.job import ScoringJob

    kind, _, features, model = c.WORK[work]
    csv = kind == "csv"
    return ScoringJob(
        PartitionedDataset(uri, read_options={"column_types": {c.W: "float64"}} if csv else {}),
        OneModel(artifact_of(model, c.feats(features), kind)),
        c.fresh(f"{c.OUT}/scores"),
        OutputSpec.of("predict") if csv else OutputSpec.of("predict_proba", ["prediction_1"]),
    )


def measured(work: str, uri: str) -> dict[str, float]:
    """The estimate of one run, and the run."""
    from airflow_batchscore import LocalDask
    from airflow_batchscore.engine.memory import held
    from airflow_batchscore.scoring.estimate import estimate
    from airflow_batchscore.scoring.partition import score_partitions

    preload()
    job, engine = job_of(work, uri), LocalDask(workers=_WORKERS)
    partitions = job.dataset.require()
    told = estimate(job, [partitions], engine)
    most, ended = 0, threading.Event()

    def look() -> None:
        nonlocal most
        while not ended.wait(0.2):
            most = max(most, held())

    watch = threading.Thread(target=look)
    watch.start()
    began = time.perf_counter()
    score_partitions(job, [partition.values for partition in partitions], engine)
    seconds = time.perf_counter() - began
    ended.set()
    watch.join()
    return {
        "told": told.seconds,
        "low": told.low,
        "high": told.high,
        "seconds": seconds,
        "memory_told": told.peak_memory or 0,
        "memory": most,
        "sample": told.sample_seconds,
    }


def of_process(work: str, uri: str) -> dict[str, float]:
    """`measured` in a process of its own."""
    command = [sys.executable, __file__, "--one", work, uri]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--works", nargs="+", default=_WORKS, choices=_WORKS)
    options.add_argument("--seconds", type=float, default=120.0, help="how long a run is to take, roughly")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--one", nargs=2, metavar=("WORK", "URI"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        print(json.dumps(measured(*given.one)))
        return
    atexit.register(shutil.rmtree, c.OUT, ignore_errors=True)  # it lies in memory
    print("| workload | copies | predicted | took | error | in the range | memory: error | sample |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for work in given.works:
        once = of_process(work, copied(work, 1))["told"]
        copies = max(1, round(given.seconds / once))
        uri = copied(work, copies)
        c.warm(c.WORK[work][1])
        rounds = [of_process(work, uri) for _ in range(given.rounds)]
        told, took = (statistics.median(each[name] for each in rounds) for name in ("told", "seconds"))
        errors = [each["told"] / each["seconds"] - 1 for each in rounds]
        memory = [each["memory_told"] / each["memory"] - 1 for each in rounds]
        held = sum(each["low"] <= each["seconds"] <= each["high"] for each in rounds)
        share = max(each["sample"] / each["seconds"] for each in rounds)
        print(
            f"| {work} | {copies} | {told:.1f} s | {took:.1f} s | {statistics.median(errors):+.0%} ({min(errors):+.0%} "
            f"to {max(errors):+.0%}) | {held} of {len(rounds)} | {statistics.median(memory):+.0%} | {share:.1%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
