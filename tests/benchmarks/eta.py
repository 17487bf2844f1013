"""How far off the time left is that a run's page shows, on the benchmark's workloads.

usage: PYTHONPATH=. .bench-venv/bin/python tests/benchmarks/eta.py [--works w1 w2 ...] [--rounds N]

A scoring task scores copies of a workload's data, one partition each, as a packed task does. Its progress is taken
every two seconds, as the task writes it, and the page's estimate is made of the last one at each quarter of the time
that the run took. Written are (estimate - truth) / truth at half time, and how often the truth lay in the range shown.
"""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import common as c
from engine import artifact_of

from airflow_batchscore.publish.run_view_eta import Eta, Work, estimate
from airflow_batchscore.scoring.tally import Count, Tally

_WRITE_SECONDS = 2.0
_WORKERS = 2
#: How many copies make a run of 20 s or more: of less than that, nobody asks when it ends.
_COPIES = {"w1": 24, "w2": 8, "w3h": 8, "w3x": 8, "w4": 24}


def copied(work: str, copies: int) -> str:
    """URI template of a dataset whose partitions are hard links to the workload's files."""
    kind, path, *_ = c.WORK[work]
    folder = Path(c.fresh(f"{c.ROOT}/eta/{work}"))
    for number in range(copies):
        for file in c.files(path):
            name = f"{number}.csv" if kind == "csv" else f"{number}/{Path(file).name}"
            (folder / name).parent.mkdir(exist_ok=True)
            os.link(file, folder / name)
    return f"{folder}/{{name}}" + (".csv" if kind == "csv" else "/")


def scored(work: str, uri: str, copies: int) -> tuple[list[tuple[float, Count]], float]:
    """What the task wrote and when, and how long it worked; seconds since it began."""
    from airflow_batchscore import LocalDask, PartitionedDataset
    from airflow_batchscore.model.outputs import OutputSpec
    from airflow_batchscore.plan.models import OneModel
    from airflow_batchscore.scoring.job import ScoringJob
    from airflow_batchscore.scoring.partition import score_partitions

    kind, _, features, model = c.WORK[work]
    csv = kind == "csv"
    job = ScoringJob(
        PartitionedDataset(uri, read_options={"column_types": {c.W: "float64"}} if csv else {}),
        OneModel(artifact_of(model, c.feats(features), kind)),
        c.fresh(f"{c.OUT}/scores"),
        OutputSpec.of("predict") if csv else OutputSpec.of("predict_proba", ["prediction_1"]),
    )
    tally, written, ended = Tally(copies), [], threading.Event()
    began = time.perf_counter()

    def write() -> None:
        while True:
            written.append((time.perf_counter() - began, tally.count()))
            if ended.wait(_WRITE_SECONDS):
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        score_partitions(
            job, [{"name": str(number)} for number in range(copies)], LocalDask(workers=_WORKERS), tally=tally
        )
    finally:
        ended.set()
    seconds = time.perf_counter() - began
    writer.join()
    return written, seconds


def shown(written: list[tuple[float, Count]], now: float) -> Eta | None:
    """What the page shows at an instant, from the last progress that was written."""
    _, count = max((each for each in written if each[0] <= now), key=lambda each: each[0])
    start_up, waiting = count.start_up(_WORKERS), count.blocks_total - count.blocks
    if start_up is None:
        return None
    done = (count.blocks + min(_WORKERS, waiting) / 2) / max(count.blocks_total, 1)
    worked = count.seconds - start_up
    return estimate([Work(1.0, done=done, own=done, started=0.0, began=start_up, worked=worked)], now)


def measured(work: str, rounds: int, copies: int) -> dict[str, Any]:
    """Errors at half time, and whether the range held, at each quarter of each round."""
    uri = copied(work, copies)
    errors, held, asked, took = [], 0, 0, []
    for _ in range(rounds):
        written, seconds = scored(work, uri, copies)
        took.append(seconds)
        for quarter in (0.25, 0.5, 0.75):
            eta, left = shown(written, quarter * seconds), (1 - quarter) * seconds
            if eta is None:
                continue
            asked += 1
            held += eta.low <= left <= eta.high
            if quarter == 0.5:
                errors.append((eta.seconds - left) / left)
    return {"errors": errors, "held": held, "asked": asked, "seconds": statistics.median(took)}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--works", nargs="+", default=list(_COPIES), choices=list(_COPIES))
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    atexit.register(shutil.rmtree, c.OUT, ignore_errors=True)  # it lies in memory
    print("| workload | seconds | error at half time: median (least to most) | the range held |")
    print("| --- | --- | --- | --- |")
    for work in given.works:
        found = measured(work, given.rounds, _COPIES[work])
        errors = found["errors"]
        told = f"{statistics.median(errors):+.0%} ({min(errors):+.0%} to {max(errors):+.0%})" if errors else "not told"
        print(f"| {work} | {found['seconds']:.0f} | {told} | {found['held']} of {found['asked']} |", flush=True)


if __name__ == "__main__":
    main()
