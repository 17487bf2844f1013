"""What the package costs beside the work: tiny partitions, committed partitions, tasks and whole runs in Airflow.

usage: python overhead.py pack|airflow [--rounds N] [--json FILE]     with the development environment (.venv)

pack     a thousand partitions of ten rows in one task, then the same again when they are committed, and 17 committed
airflow  a real scheduler: the WTA pipeline beside a DAG of the same shape whose tasks are empty, with LocalExecutor
         and, where PostgreSQL and Redis are installed (`make test-services` does it), with Celery
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stack import Stack

ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = 1000

EMPTY_DAG = """
from airflow.sdk import DAG, task

with DAG("empty_pipeline", schedule=None):

    @task
    def step(_=None):
        return None

    @task.branch
    def choose():
        return "train"

    @task
    def plan(_=None):
        return list(range(17))

    @task
    def score(number):
        return number

    chosen = choose()
    train = step.override(task_id="train")()
    planned = plan(step.override(task_id="check_model")(train))
    scored = score.expand(number=planned)
    step.override(task_id="wait")() >> chosen >> train
    step.override(task_id="publish")(step.override(task_id="check_scores")(scored))
"""


def pack() -> None:
    """Tiny partitions in one call, as a packed task makes it."""
    import numpy as np
    import pandas as pd

    from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
    from airflow_batchscore.plan.models import OneModel
    from airflow_batchscore.scoring.job import ScoringJob
    from airflow_batchscore.scoring.partition import score_partitions
    from airflow_batchscore.training.train import TrainingJob, train

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        for number in range(PARTITIONS):
            rows = 2000 if number == 0 else 10
            frame = pd.DataFrame(rng.standard_normal((rows, 2)), columns=["a", "b"])
            frame["label"] = (frame.a > 0).astype(int)
            frame.insert(0, "id", range(rows))
            frame.to_csv(folder / f"part_{number}.csv", index=False)
        dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv")
        recipe = Recipe(keys=["id"], target="label", columns=["a", "b"])
        model = train(TrainingJob(dataset, [0], recipe, "sklearn.linear_model:LogisticRegression", f"{folder}/m")).ref
        job = ScoringJob(dataset, OneModel(model), f"{folder}/scores")
        for what, count in (("scored", PARTITIONS), ("committed already", PARTITIONS), ("committed already", 17)):
            values = [{"p": str(number)} for number in range(count)]
            began = time.monotonic()
            done = score_partitions(job, values, LocalDask())
            seconds = time.monotonic() - began
            assert [reused for _, reused in done] == [what != "scored"] * count
            print(f"{count} partitions {what}: {seconds:.2f} s, {1000 * seconds / count:.1f} ms each", flush=True)


def airflow(rounds: int) -> dict[str, Any]:
    """Executor -> seconds of runs and of scoring tasks beside empty ones."""
    sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests"), str(ROOT / "tests/production")]
    figures = {"LocalExecutor": _measure(local, rounds)}
    if shutil.which("redis-server") and Path("/usr/lib/postgresql").is_dir():
        figures["CeleryExecutor"] = _measure(celery, rounds)
    else:
        print("PostgreSQL or Redis is not installed: Celery was not measured", flush=True)
    return figures


@contextlib.contextmanager
def local(folder: Path, environment: dict[str, str]) -> Iterator[Stack]:
    """An Airflow with LocalExecutor on the DAGs in ``folder/dags``."""
    from stack import Stack

    with Stack(folder / "home", folder / "dags", extra=environment) as stack:
        yield stack


@contextlib.contextmanager
def celery(folder: Path, environment: dict[str, str]) -> Iterator[Stack]:
    """The same on PostgreSQL, Redis and Celery's prefork pool."""
    from celery_airflow import CeleryAirflow, PostgreSQL, Redis
    from stack import free_port

    with (
        PostgreSQL(secrets.token_hex(16), free_port(), "airflow") as database,
        Redis(folder / "redis") as broker,
        CeleryAirflow(folder, folder / "dags", database, broker, environment) as airflow,
    ):
        yield airflow.stack


@dataclass(frozen=True)
class Run:
    """Seconds of a run of a DAG, and of each of its scoring tasks."""

    wall: float
    scoring: list[float]


def alternate(stack: Stack, dag_ids: Sequence[str], rounds: int, results: Path) -> dict[str, list[Run]]:
    """Runs of each DAG, in turns; each starts without the folder `results` of the earlier ones."""
    runs: dict[str, list[Run]] = {dag_id: [] for dag_id in dag_ids}
    for dag_id in dag_ids:
        stack.wait_for_dag(dag_id)
    for _ in range(rounds):
        for dag_id in dag_ids:
            shutil.rmtree(results, ignore_errors=True)
            run_id = stack.trigger(dag_id, {})
            state = stack.wait_for_run(dag_id, run_id, 600)
            if state != "success":
                raise SystemExit(f"{dag_id} ended as {state}; see its tasks' logs in {stack.home}")
            wall = seconds_of(stack.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"))
            tasks = [(each["task_id"], seconds_of(each)) for each in stack.task_instances(dag_id, run_id)]
            scoring = [seconds for task_id, seconds in tasks if task_id == "score"]
            runs[dag_id].append(Run(wall, scoring))
            others = " ".join(f"{task_id} {seconds:.2f}" for task_id, seconds in sorted(tasks) if task_id != "score")
            print(f"{dag_id}: {wall:.1f} s; score {' '.join(f'{each:.2f}' for each in scoring)}; {others}", flush=True)
    return runs


def seconds_of(item: dict[str, Any]) -> float:
    """Of a run or a task, as the API gives it."""
    began, ended = (datetime.fromisoformat(item[name]) for name in ("start_date", "end_date"))
    return (ended - began).total_seconds()


def _measure(start: Any, rounds: int) -> dict[str, Any]:
    """The pipeline over the 17 years beside the empty one."""
    from stack import example_environment
    from wta_data import find_matches

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "dags", folder / "dags")
        (folder / "dags/empty_pipeline.py").write_text(EMPTY_DAG)
        matches, what = find_matches(folder / "matches")
        print(what)
        with start(folder, example_environment(matches, folder / "wta")) as stack:
            runs = alternate(stack, ("wta_batch_scoring", "empty_pipeline"), rounds, folder / "wta")
    wall, empty_wall = (statistics.median(run.wall for run in each) for each in runs.values())
    task, empty_task = (statistics.median(statistics.median(run.scoring) for run in each) for each in runs.values())
    print(f"whole run: {wall:.1f} s, empty tasks {empty_wall:.1f} s, ratio {wall / empty_wall:.2f}")
    print(f"one scoring task: {task:.2f} s, empty task {empty_task:.2f} s, {task - empty_task:.2f} s more", flush=True)
    return {
        "rounds": rounds,
        "run": wall,
        "empty_run": empty_wall,
        "run_ratio": wall / empty_wall,
        "task": task,
        "empty_task": empty_task,
        "task_seconds_more": task - empty_task,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["pack", "airflow"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures there")
    asked = parser.parse_args()
    if asked.what == "pack":
        pack()
        return
    figures = airflow(asked.rounds)
    if asked.json:
        asked.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    main()
