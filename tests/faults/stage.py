"""A stage of the pipeline, as a process to fork and kill: threads, processes, train, file, folder, delta, iceberg."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from airflow_batchscore.data.storage import Location
from airflow_batchscore.operators.supervised import die_with_parent

BLOCKS = 40
BLOCK_ROWS = 10
PARTITIONS = 6


class ExecutionTimeout(BaseException):
    """Airflow's is a BaseException, too, so that no ``except Exception`` swallows it."""


def features(frame: Any) -> Any:
    """Two columns, slowly, so that a kill finds work in flight."""
    time.sleep(float(os.environ.get("STAGE_BLOCK_SECONDS", "0")))
    return frame[["a", "b"]]


def train(folder: Path, version: int = 1) -> Any:
    """A model of partition 0 or another; the alias moves to it when it is whole."""
    from airflow_batchscore import PartitionedDataset, Recipe
    from airflow_batchscore.model.reference import set_alias
    from airflow_batchscore.training.train import TrainingJob
    from airflow_batchscore.training.train import train as run

    recipe = Recipe(features="stage:features", target="label", keys=["id"], columns=["a", "b"])
    dataset = PartitionedDataset(f"{folder}/train_{{p}}.csv")
    estimator = "sklearn.linear_model:LogisticRegression"
    trained = run(TrainingJob(dataset, [version], recipe, estimator, f"{folder}/model"))
    set_alias(f"{folder}/model", "champion", trained.ref, time.time_ns())
    return trained.ref


def score(folder: Path, partitions: list[int], ref: Any, processes: bool, block_rows: int = BLOCK_ROWS) -> list[Any]:
    """Manifests of partitions, scored or found."""
    from airflow_batchscore import LocalDask, PartitionedDataset
    from airflow_batchscore.plan.models import OneModel
    from airflow_batchscore.scoring.job import ScoringJob
    from airflow_batchscore.scoring.partition import score_partitions

    numbered = {"column_types": {"id": "int64"}}
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv", read_options=numbered)
    job = ScoringJob(dataset, OneModel(ref), f"{folder}/staged", block_rows=block_rows)
    values = [{"p": str(partition)} for partition in partitions]
    return [manifest for manifest, _ in score_partitions(job, values, LocalDask(workers=2, processes=processes))]


def tables(folder: Path) -> dict[str, Any]:
    """The kinds of tables; the Iceberg catalog is SQLite."""
    from airflow_batchscore import Delta, Iceberg
    from airflow_batchscore.data.storage import credentials

    credentials.register("catalog lake", catalog_of(folder))
    return {"delta": Delta(), "iceberg": Iceberg("tennis.scores", catalog="lake", conn_id="lake")}


def catalog_of(folder: Path) -> dict[str, str]:
    """What pyiceberg opens it with."""
    return {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}


def serve() -> None:
    """Fork an attempt for each line of stdin, a JSON object of `attempt`'s arguments; it says its process id."""
    from airflow_batchscore.preload import preload

    preload()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while line := sys.stdin.readline():
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            attempt(**json.loads(line))


def attempt(stage: str, folder: str, name: str, seconds: float, block_seconds: float) -> None:
    """A session of a supervisor and its task, which has a process group of its own, as Airflow forks them.

    ``<name>.task`` says the task's process id once it begins, ``<name>.status`` the exit status when it has ended.
    """
    os.setsid()
    print(os.getpid(), flush=True)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(f"{folder}/log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    task = os.fork()
    if task:
        _, status = os.waitpid(task, 0)
        _say(Path(folder, f"{name}.status"), os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.setpgid(0, 0)
    die_with_parent()
    os.environ["STAGE_BLOCK_SECONDS"] = str(block_seconds)
    status = 1
    try:
        _say(Path(folder, f"{name}.task"), os.getpid())
        _run(stage, Path(folder), seconds)
        status = 0
    except SystemExit as error:
        status = int(str(error))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _say(path: Path, number: int) -> None:
    path.with_suffix(".new").write_text(str(number))
    path.with_suffix(".new").rename(path)


def _run(stage: str, folder: Path, seconds: float) -> None:
    """SIGTERM ends it as Airflow's operators are ended; after `seconds` an alarm raises, as a timeout does."""

    def on_kill(*_: object) -> None:
        raise SystemExit(143)

    def on_timeout(*_: object) -> None:
        raise ExecutionTimeout

    signal.signal(signal.SIGTERM, on_kill)
    signal.signal(signal.SIGALRM, on_timeout)
    if seconds:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    if " " in stage:
        import fault_runs

        fault_runs.task(folder, *stage.split())
    elif stage == "train":
        train(folder, version=json.loads((folder / "wanted.json").read_text()))
    elif stage in ("threads", "processes"):
        from airflow_batchscore.model.reference import resolve

        score(folder, [1], resolve(f"{folder}/model@champion"), stage == "processes")
    else:
        from airflow_batchscore import LocalDask
        from airflow_batchscore.publish.combine import combine
        from airflow_batchscore.publish.stamp import Publication
        from airflow_batchscore.scoring.manifest import Manifest

        uris = json.loads((folder / "wanted.json").read_text())
        manifests = [Manifest.read(Location(uri)) for uri in uris]
        output = folder / ("out.parquet" if stage == "file" else "out")
        table = tables(folder).get(stage)
        # All attempts begin at one time, so that equal scores are equal bytes. The engine is that of CombineOperator.
        combine(
            [manifest for manifest in manifests if manifest],
            Location(str(output)),
            publication=Publication(began=1, engine=LocalDask()),
            table=table,
        )
