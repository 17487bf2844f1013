"""What it costs a scoring task to say how far it is: pairs of the same work, with and without a report.

usage: python reporting.py [--rows N] [--rounds N]      with the development environment (.venv)

The store of the report is another process, which answers after 10 ms, as Airflow's supervisor does. Each round scores
the same CSV file both ways, in turns. Pairs scatter by percents on a busy machine, so the CPU time of one write, of one
look at the memory and of one block's count is measured by itself, too, and given as a share of a core.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil


def _serve(pipe: Connection) -> None:
    while pipe.recv() is not None:
        time.sleep(0.01)
        pipe.send("ok")


class PipeStore:
    """A state store in another process."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.writes = 0

    def set(self, key: str, value: object) -> None:
        self.writes += 1
        self.pipe.send((key, value))
        self.pipe.recv()


def _each(call: Callable[[], object], times: int) -> float:
    """Seconds of CPU time of one call."""
    began = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - began) / times


def _parts(work: Any, store: PipeStore) -> None:
    from airflow_batchscore.operators.reporting import _memory, _Reporter
    from airflow_batchscore.operators.task_store import TaskStore
    from airflow_batchscore.quality.accounting import Account
    from airflow_batchscore.scoring.tally import Tally

    tally = Tally(10_000)
    for position in range(10_000):
        tally.began(position, 10, 0, Account())
        if position < 9000 and position % 100:
            tally.committed(position)
    block: Any = SimpleNamespace(index=1, account=Account(250_000, 250_000))
    write = _each(_Reporter(work, tally, TaskStore({"task_state_store": store}))._write, 100)
    memory, count = _each(_memory, 100), _each(lambda: tally.scored("p=1", block, 0.1), 10_000)
    share = write / 2 + memory / 10
    print(
        f"one write of a pack of 10,000 partitions {1e3 * write:.2f} ms, one look at the memory {1e3 * memory:.2f} ms "
        f"(of {len(psutil.pids())} processes), the count of one block {1e6 * count:.1f} us: {share:.3%} of a core"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=6_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    here, there = multiprocessing.Pipe()
    multiprocessing.get_context("fork").Process(target=_serve, args=(there,), daemon=True).start()
    folder = Path(tempfile.mkdtemp(prefix="batchscore-reporting-"))
    try:
        _measure(folder, PipeStore(here), args.rows, args.rounds)
    finally:
        here.send(None)
        shutil.rmtree(folder)


def _measure(folder: Path, store: PipeStore, rows: int, rounds: int) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
    from airflow_batchscore.operators.reporting import Work, reported
    from airflow_batchscore.operators.task_store import TaskStore
    from airflow_batchscore.plan.models import OneModel
    from airflow_batchscore.scoring.job import ScoringJob
    from airflow_batchscore.scoring.partition import score_partitions
    from airflow_batchscore.scoring.tally import Tally
    from airflow_batchscore.training.train import TrainingJob, train

    random = np.random.default_rng(0)
    for part, count in ((0, 10_000), (1, rows)):
        columns: dict[str, Any] = {name: random.normal(size=count).round(6) for name in "abcdef"}
        columns |= {"id": np.arange(count), "label": (columns["a"] > 0).astype("int64")}
        pyarrow.csv.write_csv(pa.table(columns), folder / f"part_{part}.csv")
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv")
    recipe = Recipe(target="label", keys=["id"], columns=list("abcdef"))
    estimator = "sklearn.linear_model:LogisticRegression"
    model = train(TrainingJob(dataset, [0], recipe, estimator, f"{folder}/model")).ref
    engine = LocalDask()

    def score(name: str, *, report: bool) -> tuple[float, float]:
        tally = Tally(1)
        work = Work(1, dataset.uri, str(folder), model.version, engine.capacity(), 1, rows)
        job = ScoringJob(dataset, OneModel(model), f"{folder}/{name}")
        wall, cpu = time.monotonic(), time.process_time()
        with reported(work, tally, TaskStore({"task_state_store": store})) if report else nullcontext():
            score_partitions(job, [{"p": "1"}], engine, tally=tally)
        seconds = time.monotonic() - wall, time.process_time() - cpu
        shutil.rmtree(folder / name)
        return seconds

    _parts(Work(1, dataset.uri, str(folder), model.version, engine.capacity(), 1, rows), store)
    score("warm", report=False)
    before, ratios = store.writes, list[tuple[float, float]]()
    for number in range(rounds):
        order = (True, False) if number % 2 else (False, True)
        taken = {report: score("out", report=report) for report in order}
        ratios.append((taken[True][0] / taken[False][0], taken[True][1] / taken[False][1]))
        print(f"round {number}: without {taken[False][0]:.2f} s, CPU {taken[False][1]:.2f} s", flush=True)
    written = store.writes - before
    for what, values in zip(("wall", "CPU"), zip(*ratios, strict=True), strict=True):
        spread = f"{min(values) - 1:+.2%} to {max(values) - 1:+.2%}"
        print(f"{what}: {statistics.median(values) - 1:+.2%} ({spread}), {written / rounds:.0f} writes per run")


if __name__ == "__main__":
    main()
