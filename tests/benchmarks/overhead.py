"""What the package costs beside the work: tiny partitions, committed partitions, tasks and whole runs in Airflow.

usage: python overhead.py pack|airflow|preload      run it with the development environment (.venv)

pack     a thousand partitions of ten rows in one task, then the same again when they are committed, and 17 committed
preload  the same with `airflow_batchscore.preload` in airflow_local_settings.py
airflow  a real scheduler (LocalExecutor): the WTA pipeline beside a DAG of the same shape whose tasks are empty
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

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
    from airflow_batchscore.model.training import TrainingJob, train
    from airflow_batchscore.scoring.job import ScoringJob
    from airflow_batchscore.scoring.partition import score_partitions

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
        job = ScoringJob(dataset, model, f"{folder}/scores")
        for what, count in (("scored", PARTITIONS), ("committed already", PARTITIONS), ("committed already", 17)):
            values = [{"p": str(number)} for number in range(count)]
            began = time.monotonic()
            done = score_partitions(job, values, LocalDask())
            seconds = time.monotonic() - began
            assert [reused for _, reused in done] == [what != "scored"] * count
            print(f"{count} partitions {what}: {seconds:.2f} s, {1000 * seconds / count:.1f} ms each", flush=True)


def preload() -> None:
    """`airflow` with the libraries imported before tasks are forked."""
    airflow("from airflow_batchscore.preload import preload\npreload()\n")


def airflow(local_settings: str = "") -> None:
    """Two runs of each DAG, in turns; the second starts with nothing of the first one's results."""
    sys.path.insert(0, str(ROOT / "scripts"))
    import shutil

    from stack import Stack, example_environment
    from wta_data import find_matches

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "dags", folder / "dags")
        (folder / "dags/empty_pipeline.py").write_text(EMPTY_DAG)
        (folder / "home/config").mkdir(parents=True)
        (folder / "home/config/airflow_local_settings.py").write_text(local_settings)
        matches, what = find_matches(folder / "matches")
        print(what)
        walls: dict[str, list[float]] = {"wta_batch_scoring": [], "empty_pipeline": []}
        tasks: dict[str, list[float]] = {"wta_batch_scoring": [], "empty_pipeline": []}
        with Stack(folder / "home", folder / "dags", extra=example_environment(matches, folder / "wta")) as stack:
            for dag_id in walls:
                stack.wait_for_dag(dag_id)
            for _ in range(3):
                for dag_id in walls:
                    shutil.rmtree(folder / "wta", ignore_errors=True)
                    run_id = stack.trigger(dag_id, {})
                    state = stack.wait_for_run(dag_id, run_id, 600)
                    instances = stack.task_instances(dag_id, run_id)
                    scoring = [_seconds(i) for i in instances if i["task_id"] == "score"]
                    run = stack.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")
                    walls[dag_id].append(_seconds(run))
                    tasks[dag_id].append(statistics.median(scoring))
                    each = sorted((i["task_id"], round(_seconds(i), 2)) for i in instances if i["task_id"] != "score")
                    print(
                        f"{dag_id}: {state}, {walls[dag_id][-1]:.1f} s, median of {len(scoring)} scoring tasks "
                        f"{tasks[dag_id][-1]:.2f} s; {each}",
                        flush=True,
                    )
        ours, empty = (statistics.median(walls[dag_id]) for dag_id in walls)
        print(f"whole run: {ours:.1f} s, empty tasks {empty:.1f} s, ratio {ours / empty:.2f}")
        ours, empty = (statistics.median(tasks[dag_id]) for dag_id in tasks)
        print(f"one scoring task: {ours:.2f} s, empty task {empty:.2f} s, {ours - empty:.2f} s more")


def _seconds(item: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(item[name].replace("Z", "+00:00")) for name in ("start_date", "end_date"))
    return (ended - began).total_seconds()


if __name__ == "__main__":
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    {"pack": pack, "airflow": airflow, "preload": preload}[sys.argv[1]]()
