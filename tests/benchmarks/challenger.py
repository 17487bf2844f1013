"""A champion and its challenger in one pass, against one reading with both predictions, taking turns.

    python tests/benchmarks/challenger.py --rows 4000000 --rounds 5

`floor`: each block is read once, its features are made once, both models predict, and nothing is written or counted.
`pass`: `model=[champion, challenger]`, with parts, accounts and manifests of both. `twice`: one model after the other.
`compare`: what the audit does with the parts of both, afterwards and in one thread.
Prints medians of seconds and of CPU seconds, and the medians of their ratios of each round.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.engine.single_thread import hold_to_one_thread
from airflow_batchscore.model import artifact
from airflow_batchscore.model.features import in_order
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import ChampionAndChallenger, OneModel
from airflow_batchscore.publish.compare import compare
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.pair import Scored, score_run
from airflow_batchscore.scoring.scorers.specs import model_columns
from airflow_batchscore.training.train import TrainingJob, train

PARTITIONS, FEATURES, WORKERS = 4, 12, 2
TRAIN_ROWS = 20_000


def leads(frame: Any) -> Any:
    """Features that a recipe makes."""
    import numpy as np

    made = frame[[f"f{n}" for n in range(FEATURES)]].copy()
    made["ratio"] = made["f0"] / (1 + made["f1"].abs())
    made["log"] = np.log1p(made["f2"].abs())
    return made


def make_data(folder: Path, rows: int) -> PartitionedDataset:
    """Parquet files of random numbers, a small one to train on first."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    chance = np.random.default_rng(0)
    for part in range(PARTITIONS + 1):
        count = rows // PARTITIONS if part else TRAIN_ROWS
        columns = {f"f{n}": chance.normal(size=count) for n in range(FEATURES)}
        label = columns["f0"] * columns["f1"] + columns["f2"] > 0
        table = pa.table({"id": np.arange(count), "label": label.astype(int), **columns})
        pq.write_table(table, folder / f"part_{part}.parquet", row_group_size=250_000)
    return PartitionedDataset(f"{folder}/part_{{p}}.parquet")


def floor(dataset: PartitionedDataset, models: list[ModelRef]) -> None:
    """One reading and both predictions."""
    loaded = [artifact.load(model) for model in models]
    first = loaded[0].manifest
    types = model_columns(first, {})

    def work(block: Any) -> None:
        hold_to_one_thread()
        for batch in read(dataset, block, types, {"id": None}):
            frame = first.recipe.apply(batch.table).frame
            for model in loaded:
                signature = model.manifest.signature
                model.estimator.predict(in_order(frame, signature.features, whole=signature.whole_names))

    partitions = [dataset.pin(dataset.partition({"p": str(p)})) for p in range(1, PARTITIONS + 1)]
    with ThreadPoolExecutor(WORKERS) as pool:
        for partition in partitions:
            list(pool.map(work, cut(dataset, partition, block_rows=250_000, columns=list(types))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="challenger-"))
    try:
        dataset = make_data(folder, asked.rows)
        columns = [f"f{n}" for n in range(FEATURES)]
        for name, recipe in (
            ("numbers as they are", Recipe(target="label", keys=["id"], columns=columns)),
            ("a features function", Recipe(features=leads, target="label", keys=["id"], columns=columns)),
        ):
            models = [
                train(TrainingJob(dataset, [0], recipe, f"sklearn.{path}", f"{folder}/{name}/{number}")).ref
                for number, path in enumerate(
                    ("linear_model:LogisticRegression", "ensemble:HistGradientBoostingClassifier")
                )
            ]
            _measure(name, dataset, models, folder, asked.rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(name: str, dataset: PartitionedDataset, models: list[ModelRef], folder: Path, rounds: int) -> None:
    values = [{"p": str(p)} for p in range(1, PARTITIONS + 1)]
    engine = LocalDask(workers=WORKERS, processes=False)

    def score(scored_with: Any) -> list[Scored]:
        job = ScoringJob(dataset, scored_with, f"{folder}/staged")
        return score_run(replace(job, token=str(time.monotonic_ns())), values, engine)

    def both() -> None:
        scored[:] = score(ChampionAndChallenger(*models))

    def compared() -> None:
        challengers = {one.manifest.key: one.challenged[0] for one in scored if isinstance(one.challenged, tuple)}
        compare(*models, [one.manifest for one in scored], challengers, {})

    scored: list[Scored] = []
    ways: dict[str, Callable[[], Any]] = {
        "floor": lambda: floor(dataset, models),
        "twice": lambda: [score(OneModel(model)) for model in models],
        "pass": both,
        "compare": compared,
    }
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for number in range(rounds + 1):  # the first is not counted: imports, loading, the files' pages
        for way, run in ways.items():
            began, cpu = time.monotonic(), time.process_time()
            run()
            if number:
                seconds[way].append((time.monotonic() - began, time.process_time() - cpu))
        shutil.rmtree(folder / "staged", ignore_errors=True)
    print(name)
    for way, some in seconds.items():
        told = []
        for place, what in enumerate(("s", "CPU s")):
            ratios = [one[place] / base[place] for one, base in zip(some, seconds["floor"], strict=True)]
            found = statistics.median(one[place] for one in some)
            told.append(f"{found:7.2f} {what} {statistics.median(ratios):5.2f} x the floor")
        print(f"  {way:7} {'  '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
