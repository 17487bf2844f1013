"""One stage of the pipeline in a process of its own, which the harness kills. usage: stage.py STAGE FOLDER SECONDS

STAGE is threads, processes, train, file or folder. SIGTERM ends it as Airflow's operators are ended; after SECONDS
(0: never) an alarm raises in its main thread, as Airflow's execution timeout does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

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
    from airflow_batchscore.model.training import TrainingJob
    from airflow_batchscore.model.training import train as run

    recipe = Recipe(features="stage:features", target="label", keys=["id"], columns=["a", "b"])
    dataset = PartitionedDataset(f"{folder}/train_{{p}}.csv")
    estimator = "sklearn.linear_model:LogisticRegression"
    trained = run(TrainingJob(dataset, [version], recipe, estimator, f"{folder}/model"))
    set_alias(f"{folder}/model", "champion", trained.ref)
    return trained.ref


def score(folder: Path, partitions: list[int], ref: Any, processes: bool, block_rows: int = BLOCK_ROWS) -> list[Any]:
    """Manifests of partitions, scored or found."""
    from airflow_batchscore import LocalDask, PartitionedDataset
    from airflow_batchscore.scoring.job import ScoringJob
    from airflow_batchscore.scoring.partition import score_partitions

    job = ScoringJob(PartitionedDataset(f"{folder}/part_{{p}}.csv"), ref, f"{folder}/staged", block_rows=block_rows)
    values = [{"p": str(partition)} for partition in partitions]
    return [manifest for manifest, _ in score_partitions(job, values, LocalDask(workers=2, processes=processes))]


def main() -> None:
    stage, folder, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])

    def on_kill(*_: object) -> None:
        raise SystemExit(143)

    def on_timeout(*_: object) -> None:
        raise ExecutionTimeout

    signal.signal(signal.SIGTERM, on_kill)
    signal.signal(signal.SIGALRM, on_timeout)
    # What a task imports before it does anything that a kill could disturb.
    import pandas
    import pyarrow.parquet
    import sklearn.linear_model

    del pandas, pyarrow, sklearn
    (folder / f"ready-{os.getpid()}").touch()
    if seconds:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    if stage == "train":
        train(folder, version=json.loads((folder / "wanted.json").read_text()))
    elif stage in ("threads", "processes"):
        from airflow_batchscore.model.reference import resolve

        score(folder, [1], resolve(f"{folder}/model@champion"), stage == "processes")
    else:
        from airflow_batchscore.publish.combine import combine
        from airflow_batchscore.scoring.manifest import Manifest

        uris = json.loads((folder / "wanted.json").read_text())
        manifests = [Manifest.read(uri) for uri in uris]
        output = folder / ("out.parquet" if stage == "file" else "out")
        combine([manifest for manifest in manifests if manifest], str(output))


if __name__ == "__main__":
    sys.modules["stage"] = sys.modules["__main__"]
    main()
