"""Whole runs, task by task, as processes that are stopped, killed and started again; their scores tell their origin.

Version v of an input holds v in every row, and model m predicts 10 v + m, so that each published row says which bytes
and which model made it. What a task returns (its XCom) lies in ``runs/<run>.<what>.json``. Before and after it
publishes, a run writes down its generation and what it publishes, from which a reader knows what may be there.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from airflow_batchscore.data.storage import Location

PARTITIONS = (1, 2, 3)
BLOCK_ROWS = 12
MODELS = (1, 2)
#: Exit statuses of a task that the package refused to do, and of one that may be tried again.
REFUSED = 3
RETRY = 4


class Marked(RegressorMixin, BaseEstimator):
    """Says which rows it was trained on, and which it is given."""

    def fit(self, X: Any, y: Any) -> Marked:  # noqa: N803
        self.mark_ = int(np.max(y))
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return np.asarray(X, dtype=float)[:, 0] * 10 + self.mark_


def features(frame: Any) -> Any:
    """One column, slowly, so that what happens meanwhile finds work in flight."""
    time.sleep(float(os.environ.get("STAGE_BLOCK_SECONDS", "0")))
    return frame[["v"]]


def ids(version: int) -> list[int]:
    """Of the rows of that version of an input: another number of them in the next version, and other ids."""
    return [1000 * version + n for n in range(100 + 17 * (version % 3))]


def text(version: int) -> str:
    return "\n".join(["id,v", *(f"{number:07d},{version:04d}" for number in ids(version))]) + "\n"


def prepare(folder: Path) -> None:
    """Inputs of the first version, and the models."""
    from airflow_batchscore import PartitionedDataset, Recipe
    from airflow_batchscore.training.train import TrainingJob, train

    (folder / "runs").mkdir(parents=True)
    (folder / "versions").mkdir()
    for model in MODELS:
        rows = "".join(f"{n:07d},{n % 5},{model}\n" for n in range(40))
        (folder / f"train_{model}.csv").write_text("id,v,label\n" + rows)
        recipe = Recipe(features="fault_runs:features", target="label", keys=["id", "v"], columns=["v"])
        dataset = PartitionedDataset(f"{folder}/train_{{p}}.csv")
        trained = train(TrainingJob(dataset, [model], recipe, "fault_runs:Marked", f"{folder}/model-{model}"))
        (folder / f"model-{model}.json").write_text(json.dumps(trained.ref.to_dict()))


# -- what tasks return -----------------------------------------------------------------
def say(folder: Path, run: str, what: str, value: Any) -> None:
    path = folder / "runs" / f"{run}.{what}.json"
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps(value))
    new.rename(path)


def said(folder: Path, run: str, what: str) -> Any:
    return json.loads((folder / "runs" / f"{run}.{what}.json").read_text())


# -- tasks ----------------------------------------------------------------------------
def task(folder: Path, name: str, run: str) -> None:
    """One task of a run: plan, score or publish.

    Raises SystemExit with the status `REFUSED` where the package refuses to do it.
    """
    from airflow_batchscore.errors import BatchScoreError

    try:
        {"plan": _plan, "score": _score, "publish": _publish}[name](folder, run)
    except BatchScoreError as error:
        print(f"{run} {name} refused: {type(error).__name__}: {error}", flush=True)
        raise SystemExit(REFUSED) from error
    except OSError as error:
        print(f"{run} {name}: {type(error).__name__}: {error}", flush=True)
        raise SystemExit(RETRY) from error


def _plan(folder: Path, run: str) -> None:
    say(folder, run, "plan", {"generation": time.time_ns()})


def _score(folder: Path, run: str) -> None:
    from airflow_batchscore import LocalDask, PartitionedDataset
    from airflow_batchscore.model.reference import ModelRef
    from airflow_batchscore.plan.models import OneModel
    from airflow_batchscore.scoring.job import ScoringJob
    from airflow_batchscore.scoring.partition import score_partitions
    from airflow_batchscore.scoring.scored import ScoredPartition

    asked = said(folder, run, "asked")
    job = ScoringJob(
        PartitionedDataset(f"{folder}/part_{{p}}.csv"),
        OneModel(ModelRef.from_dict(json.loads((folder / f"model-{asked['model']}.json").read_text()))),
        f"{folder}/staged",
        block_rows=BLOCK_ROWS,
        token=run if asked["force"] else None,
    )
    generation = said(folder, run, "plan")["generation"]
    engine = LocalDask(workers=2, processes=False)
    scored = score_partitions(job, [{"p": str(number)} for number in asked["partitions"]], engine)
    shorts = [ScoredPartition.of(m, reused=reused, run=run, generation=generation).to_dict() for m, reused in scored]
    say(folder, run, "scores", shorts)


def _publish(folder: Path, run: str) -> None:
    """The audit, and what `CombineOperator` does after it."""
    from airflow_batchscore.publish.audit import audit
    from airflow_batchscore.publish.combine import combine
    from airflow_batchscore.publish.stamp import Publication
    from airflow_batchscore.publish.state import read_manifests

    asked, shorts = said(folder, run, "asked"), said(folder, run, "scores")
    uris, digests = [short["manifest"] for short in shorts], [short["digest"] for short in shorts]
    planned = [{"p": str(number)} for number in asked["partitions"]]
    audit(planned, read_manifests(uris, None, digests)).require()
    manifests = read_manifests(uris, None, digests)
    generations = {f"p={short['partition']['p']}": short["generation"] for short in shorts}
    told = {
        "generation": max(generations.values()),
        "partitions": {manifest.partition["p"]: origin(rows_of(manifest)) for manifest in manifests},
    }
    # Of one generation several publications may be told; each has a name of its own.
    name = f"{run}-{told['generation']}-{os.getpid()}"
    say(folder, name, "publishing", told)
    combine(manifests, Location(f"{folder}/{asked['output']}"), publication=Publication(f"dag/{run}", generations))
    say(folder, name, "published", told)


# -- what rows tell -------------------------------------------------------------------
Rows = Sequence[tuple[int, int, float]]
#: Version of the bytes and of the model.
Origin = tuple[int, int]


class WrongError(Exception):
    """Scores that no run could have made."""


class LostError(Exception):
    """Rows that should be there are not."""


def origin(rows: Rows) -> Origin:
    """Which bytes and which model made the rows.

    Raises:
        WrongError: several made them, or they are doubled or out of order.
        LostError: some are not there.
    """
    versions = {version for _, version, _ in rows}
    found = {(version, round(prediction - 10 * version)) for _, version, prediction in rows}
    if not rows:
        raise LostError("no rows")
    if len(versions) > 1 or len(found) > 1 or next(iter(found))[1] not in MODELS:
        raise WrongError(f"rows of {sorted(found)}")
    right, there = ids(*versions), [number for number, _, _ in rows]
    if there != right:
        raise (LostError if set(right) - set(there) else WrongError)(f"{len(there)} rows of version {versions}")
    return next(iter(found))


def rows_of(manifest: Any) -> list[tuple[int, int, float]]:
    """The rows of a committed manifest's parts."""
    import pyarrow.parquet as pq

    rows = []
    for block in manifest.blocks:
        with pq.ParquetFile(f"{manifest.folder}/{block.part}") as part:
            rows += rows_from(part.read())
    return rows


def rows_from(table: Any) -> list[tuple[int, int, float]]:
    columns = (table[name].to_pylist() for name in ("id", "v", "prediction"))
    return [(int(number), int(version), float(value)) for number, version, value in zip(*columns, strict=True)]


def published(output: Path) -> dict[str, list[tuple[int, int, float]]]:
    """Partition -> its rows, of a file or a folder. A partition that is not there is left out."""
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    if output.suffix == "":
        found = {}
        for number in PARTITIONS:
            path = output / f"p={number}" / "scores.parquet"
            if path.exists():
                with pq.ParquetFile(path) as opened:
                    found[str(number)] = rows_from(opened.read())
        return found
    if not output.exists():
        return {}
    if output.suffix == ".csv":
        table = pc.read_csv(output)
    else:
        with pq.ParquetFile(output) as opened:
            table = opened.read()
    rows = rows_from(table)
    places = [str(value) for value in table["p"].to_pylist()]
    return {
        place: [row for row, its in zip(rows, places, strict=True) if its == place] for place in dict.fromkeys(places)
    }


def publications(folder: Path, what: str) -> list[Mapping[str, Any]]:
    """Those that were begun (``publishing``) or have ended (``published``)."""
    return [json.loads(path.read_text()) for path in (folder / "runs").glob(f"*.{what}.json")]
