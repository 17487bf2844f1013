"""What profiles of features and scores cost: scoring with and without them, in pairs.

usage: python profiles.py [--rows N] [--rounds N] [--json FILE]     with the development environment (.venv), PYTHONPATH=.

numbers  eight numbers and a logistic regression, the cheapest model there is: the worst case for whatever is added
classes  four numbers and two texts through a pipeline with an encoder, which pandas feeds
trees    eight numbers and histogram gradient boosting

Without: the same code, whose counting is replaced by nothing. One thread; the first round of each is not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

CASES = ("numbers", "classes", "trees")


def estimator(case: str) -> Any:
    """The model of a case."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    if case == "classes":
        encoder = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["c0", "c1"]), remainder="passthrough"
        )
        return make_pipeline(encoder, LogisticRegression())
    return LogisticRegression() if case == "numbers" else HistGradientBoostingClassifier(max_iter=50)


def prepared(folder: Path, case: str, rows: int) -> Any:
    """The job that scores partition 1, with a model of partition 0."""
    import numpy as np
    import pandas as pd

    from airflow_batchscore import PartitionedDataset, Recipe
    from airflow_batchscore.plan.models import OneModel
    from airflow_batchscore.scoring.job import ScoringJob
    from airflow_batchscore.training.train import TrainingJob, train

    chance = np.random.default_rng(0)
    for partition, count in ((0, 50_000), (1, rows)):
        numbers = chance.standard_normal((count, 4 if case == "classes" else 8))
        frame = pd.DataFrame(numbers, columns=[f"f{n}" for n in range(numbers.shape[1])])
        if case == "classes":
            for name, kinds in (("c0", 12), ("c1", 200)):
                frame[name] = np.array([f"kind {n}" for n in range(kinds)])[chance.integers(0, kinds, count)]
        names = list(frame)
        frame["y"] = (frame["f0"] + frame["f1"] > 0).astype(int)
        frame.insert(0, "id", range(count))
        frame.to_parquet(folder / f"p_{partition}.parquet", index=False)
    dataset = PartitionedDataset(f"{folder}/p_{{p}}.parquet")
    recipe = Recipe(keys=["id"], target="y", columns=names)
    model = train(TrainingJob(dataset, [0], recipe, estimator(case), f"{folder}/model")).ref
    return ScoringJob(dataset, OneModel(model), f"{folder}/scores")


@contextlib.contextmanager
def unprofiled() -> Iterator[None]:
    """Nothing is counted, and nothing compared with the training data."""
    from airflow_batchscore.quality.beyond import Beyond
    from airflow_batchscore.scoring.scorers import scorer
    from airflow_batchscore.scoring.scorers.matrix import MatrixInput

    with (
        mock.patch.object(MatrixInput, "count", lambda *_: ({}, Beyond())),
        mock.patch.object(scorer.Scorer, "_count_features", lambda *_: ({}, Beyond())),
        mock.patch.object(scorer.Scorer, "_count_outputs", lambda *_: {}),
    ):
        yield


@contextlib.contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Thread seconds inside of all that is counted (``profiles``), and of that the ranges of training (``ranges``).

    This is exact where pairs drown in the noise of a busy machine, and leaves out what merging and writing cost.
    """
    from airflow_batchscore.scoring.scorers import matrix, scorer

    spent = {"profiles": 0.0, "ranges": 0.0}

    def clocked(function: Any, *names: str) -> Any:
        def call(*arguments: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*arguments)
            finally:
                for name in names:
                    spent[name] += time.thread_time() - began

        return call

    with (
        mock.patch.object(matrix.MatrixInput, "count", clocked(matrix.MatrixInput.count, "profiles")),
        mock.patch.object(matrix, "look", clocked(matrix.look, "ranges")),
        mock.patch.object(scorer, "look", clocked(scorer.look, "ranges")),
        mock.patch.object(scorer.Scorer, "_count_features", clocked(scorer.Scorer._count_features, "profiles")),
        mock.patch.object(scorer.Scorer, "_count_outputs", clocked(scorer.Scorer._count_outputs, "profiles")),
    ):
        yield spent


def seconds(job: Any, number: int) -> float:
    """CPU seconds of this process that scoring takes, which other processes disturb less than the wall time."""
    from dataclasses import replace

    from airflow_batchscore import LocalDask
    from airflow_batchscore.scoring.partition import score_partitions

    began = time.process_time()
    score_partitions(replace(job, output_uri=f"{job.output_uri}/{number}"), [{"p": "1"}], LocalDask(workers=1))
    return time.process_time() - began


def measured(case: str, rows: int, rounds: int) -> dict[str, float]:
    """Medians: CPU seconds with profiles, what they add in pairs (with least and greatest), shares inside of them."""
    with tempfile.TemporaryDirectory() as name:
        job = prepared(Path(name), case, rows)
        found = []
        for number in range(rounds + 1):
            full = seconds(job, 3 * number)
            with unprofiled():
                none = seconds(job, 3 * number + 1)
            with timed() as spent:
                whole = seconds(job, 3 * number + 2)
            found.append((full, (full - none) / none, spent["profiles"] / whole, spent["ranges"] / whole))
    full, added, profiles, ranges = zip(*found[1:], strict=True)
    return {
        "seconds": statistics.median(full),
        "added": statistics.median(added),
        "added_least": min(added),
        "added_most": max(added),
        "profiles": statistics.median(profiles),
        "ranges": statistics.median(ranges),
    }


def main() -> None:
    """Print a line per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--case", choices=CASES, nargs="*", default=CASES)
    parser.add_argument("--json")
    given = parser.parse_args()
    figures = {}
    for case in given.case:
        found = figures[case] = measured(case, given.rows, given.rounds)
        print(
            f"{case}: {found['seconds']:.2f} s of CPU; in pairs {found['added']:+.1%} ({found['added_least']:+.1%} to "
            f"{found['added_most']:+.1%}); inside of profiles {found['profiles']:.2%}, of which ranges "
            f"{found['ranges']:.2%}",
            flush=True,
        )
    if given.json:
        Path(given.json).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
