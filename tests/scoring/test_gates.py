"""A gate that cannot measure fails and says why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from support import Small, good_rows, small, write_csv

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.errors import GateError
from airflow_batchscore.model.name_template import models_of
from airflow_batchscore.plan.choose import choose
from airflow_batchscore.plan.models import Chosen, ModelByColumn, ModelPerPartition, OneModel
from airflow_batchscore.plan.policy import ModelPolicy
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.publish.state import ScoringRun
from airflow_batchscore.publish.verdict import Limits
from airflow_batchscore.quality.drift import population_stability_index
from airflow_batchscore.quality.profile import BINS, by_position, expected
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.train import TrainingJob, train
from airflow_batchscore.training.train_many import train_many

pytestmark = pytest.mark.unit

RUN = ScoringRun("dag", "run")


def even_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Leaves out every row whose `b` is negative."""
    return frame[frame["b"] >= 0][["a", "b"]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return small(tmp_path_factory.mktemp("trained"), features=even_rows)


@pytest.fixture
def data(trained: Small, tmp_path: Path) -> Small:
    made = trained.copied(tmp_path)
    made.add(1, good_rows(100))
    made.add(2, [(n, 1.0, -1, 1) for n in range(50)])
    return made


def _problems(manifests: list[Manifest], **limits: Any) -> list[str]:
    return audit([manifest.partition for manifest in manifests], manifests, Limits(**limits)).problems


def _scored(data: Small, *partitions: int, **options: Any) -> list[Manifest]:
    return [manifest for manifest, _ in data.score(*partitions, **options)]


@pytest.mark.parametrize("limit", [math.nan, "nan", math.inf, -1, "much"])
def test_drift_is_held_to_numbers_only(data: Small, limit: Any) -> None:
    with pytest.raises(GateError, match=r"max_drift=.* is no limit"):
        _problems(_scored(data, 1), max_drift=limit)


def test_batches_weigh_as_many_rows_as_they_have(tmp_path: Path) -> None:
    """A large batch is looked at in part: 120,000 rows that drifted beside 24,000 that did not."""
    chance = np.random.default_rng(0)

    def write(name: str, values: np.ndarray) -> None:
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        frame = pd.DataFrame({"id": np.arange(len(values)), "a": values, "y": (values > 0).astype(int)})
        frame.to_parquet(path, index=False)

    write("p=0/all", chance.normal(size=8000))
    write("p=1/large", chance.normal(size=120_000) + 5)
    for n in range(3):
        write(f"p=1/small{n}", chance.normal(size=8000))
    dataset = PartitionedDataset(f"{tmp_path}/p={{p}}/", format="parquet")
    recipe = Recipe(target="y", keys=["id"], columns=["a"])
    model = train(TrainingJob(dataset, [0], recipe, "sklearn.linear_model:LogisticRegression", f"{tmp_path}/model")).ref
    job = ScoringJob(dataset, OneModel(model), f"{tmp_path}/staged")
    manifests = [manifest for manifest, _ in score_partitions(job, [{"p": "1"}], LocalDask(workers=1))]
    assert sum(manifests[0].profiles()[0]["a"]) == pytest.approx(144_000, rel=0.01)
    assert "drifted from the training data" in _problems(manifests, max_drift=0.25)[0]


@pytest.mark.parametrize("limit", [math.nan, "nan", math.inf, -1])
def test_rows_are_held_to_numbers_only(data: Small, limit: Any) -> None:
    for name in ("max_quarantined", "max_skipped"):
        with pytest.raises(GateError, match=f"{name}=.*: give a count of rows"):
            _problems(_scored(data, 1), **{name: limit})


def test_drift_of_a_partition_without_scored_rows_cannot_be_measured(data: Small) -> None:
    found = _problems(_scored(data, 1, 2), max_drift=10)
    assert found == [
        "the drift of 1 partition cannot be measured, because none of their rows was scored: p=2; run without "
        "max_drift if that is right"
    ]


def test_drift_of_a_function_cannot_be_measured(tmp_path: Path) -> None:
    from airflow_batchscore.model.functions import FunctionRef
    from airflow_batchscore.scoring.job import FunctionJob

    write_csv(tmp_path / "part_1.csv", good_rows(5))
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.csv")
    job = ScoringJob(dataset, FunctionJob(FunctionRef.of(half)), f"{tmp_path}/staged", keys=("id",))
    ((manifest, _),) = score_partitions(job, [{"p": "1"}], LocalDask(workers=1))
    assert "because a function made them" in _problems([manifest], max_drift=10)[0]


def half(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["a"]] / 2


def test_drift_without_a_profile_cannot_be_measured(data: Small) -> None:
    (manifest,) = _scored(data, 1)
    bare = replace(manifest, blocks=[replace(block, features={}, predictions={}) for block in manifest.blocks])
    assert "because the model keeps no profile" in _problems([bare], max_drift=10)[0]
    zero = [replace(block, features={"a": [0] * 12}, predictions={}) for block in manifest.blocks]
    assert "because no values were counted in a" in _problems([replace(manifest, blocks=zero)], max_drift=10)[0]


def test_a_run_of_which_nothing_was_scored_is_stopped(data: Small) -> None:
    manifests = _scored(data, 2)
    assert _problems(manifests)[0].startswith("not one of 50 rows was scored (50 skipped, 0 in quarantine)")
    assert _problems(_scored(data, 1, 2)) == []
    assert _problems(manifests, max_skipped=1.0) == []


@pytest.mark.parametrize(("limit", "passes"), [(0, False), (49, False), (50, True), ("0.3", False), (0.34, True)])
def test_skipped_rows_are_held_to_a_count_or_a_share(data: Small, limit: Any, passes: bool) -> None:
    found = _problems(_scored(data, 1, 2), max_skipped=limit)
    assert found == ([] if passes else found)
    assert passes or found[0].startswith(f"50 of 150 rows were skipped, {float(limit):g} allowed: p=2 50")


def test_partitions_that_a_policy_skips_are_skipped_on_purpose(data: Small) -> None:
    choices = {"p=1": Chosen(data.model), "p=2": Chosen(None, "skipped", "missing")}
    options = {"scored_with": ModelPerPartition(choices, data.model)}
    both = _scored(data, 1, 2, **options)
    found = audit([{"p": "1"}, {"p": "2"}], both, Limits(max_drift=10, max_skipped=0))
    assert found.problems == []
    assert (found.figures.without_drift, found.verdict(RUN, Limits())["scores"][1]["drift"]) == (1, None)
    assert (
        found.verdict(RUN, Limits())["scores"][1]["drift_is_not_measured_because"]
        == "the model policy skips all of their rows"
    )
    skipped = _scored(data, 2, **options)
    assert _problems(skipped) == []
    assert "there is no drift to measure" in _problems(skipped, max_drift=10)[0]


# -- models by a column -------------------------------------------------------
def _by_column(folder: Path, shift: Mapping[int, float], sensors: int = 3) -> Manifest:
    """A day of sensors that have models of their own; the readings of some are shifted since training."""
    for day in (0, 1):
        rows = [
            (n, n % sensors, (n % 40) * (1 + n % sensors) + (day and shift.get(n % sensors, 0)), n % 40)
            for n in range(600)
        ]
        write_csv(folder / f"day_{day}.csv", rows, header=("id", "sensor", "x", "y"))
    dataset = PartitionedDataset(f"{folder}/day_{{day}}.csv")
    recipe = Recipe(target="y", keys=["id"], columns=["x"])
    job = TrainingJob(dataset, [0], recipe, LinearRegression(), f"{folder}/by/{{sensor}}")
    train_many(job, lambda function, arguments: (function(*one) for one in arguments), alias="champion")
    choices = choose(models_of(f"{folder}/by/{{sensor}}@champion"), ModelPolicy())
    scoring = ScoringJob(dataset, ModelByColumn("sensor", choices), f"{folder}/staged", block_rows=100)
    ((manifest, _),) = score_partitions(scoring, [{"day": "1"}], LocalDask(workers=1))
    return manifest


def test_models_by_a_column_have_a_drift_figure(tmp_path: Path) -> None:
    same, moved = _by_column(tmp_path / "a", {}), _by_column(tmp_path / "b", {1: 1000.0})
    found = audit([same.partition], [same], Limits(max_drift=0.1))
    assert found.problems == []
    assert found.figures.max_drift == pytest.approx(0, abs=0.01)
    (problem,) = audit([moved.partition], [moved], Limits(max_drift=0.1)).problems
    assert problem.startswith("partition day=1 drifted from the training data (PSI")


def test_the_figure_of_models_by_a_column_is_that_of_their_bins_added_up(tmp_path: Path) -> None:
    from airflow_batchscore.model import artifact
    from airflow_batchscore.model.reference import resolve
    from airflow_batchscore.quality.profile import count

    manifest = _by_column(tmp_path, {1: 20.0, 2: -3.0})
    frame = pd.read_csv(tmp_path / "day_1.csv")
    positions, wanted = np.zeros(2 * BINS + 2), np.zeros(2 * BINS + 2)
    for sensor, rows in frame.groupby("sensor"):
        profile = artifact.read_manifest(resolve(f"{tmp_path}/by/{sensor}@champion")).profile.features
        counts = count(rows[["x"]].astype(float), profile.bins)
        positions += by_position(counts)["x"]
        wanted += by_position(expected(profile.counts, counts))["x"]
    psi = population_stability_index(wanted.tolist(), positions.tolist())
    found = audit([manifest.partition], [manifest], Limits(max_drift=100)).drift["day=1"]
    assert found.columns["x"] == pytest.approx(psi)
    assert psi > 0.05


@pytest.mark.parametrize("shift", [0, 1000])
def test_the_drift_of_decimals_is_measured_and_columns_of_rare_values_are_named(
    tmp_path: Path, shift: int, caplog: pytest.LogCaptureFixture
) -> None:
    for partition in (0, 1):
        chance = np.random.default_rng(partition)
        price = chance.normal(100 + partition * shift, 10, 500).round(2)
        table = {
            "id": np.arange(500),
            "price": pa.array([Decimal(str(value)) for value in price], pa.decimal128(12, 2)),
            "name": [f"n{number}" for number in chance.integers(0, 10**9, 500)],
            "y": chance.normal(size=500),
        }
        pq.write_table(pa.table(table), tmp_path / f"{partition}.parquet")
    dataset = PartitionedDataset(f"{tmp_path}/{{p}}.parquet")
    recipe = Recipe(target="y", keys=["id"], columns=["price", "name"])
    model = train(TrainingJob(dataset, [0], recipe, DummyRegressor(), f"{tmp_path}/model")).ref
    job = ScoringJob(dataset, OneModel(model), f"{tmp_path}/staged")
    manifests = [manifest for manifest, _ in score_partitions(job, [{"p": "1"}], LocalDask(workers=1))]
    found = audit([{"p": "1"}], manifests, Limits(max_drift=0.25))
    assert bool(found.problems) == bool(shift)
    assert not shift or "of price" in found.problems[0]
    assert found.verdict(RUN, Limits())["scores"][0]["drift_hardly_sees"] == ["name"]
    assert "cannot see much in the columns name" in caplog.text


@pytest.mark.parametrize("name", ["max_quarantined", "max_skipped"])
def test_a_truth_value_is_no_count_of_rows(data: Small, name: str) -> None:
    with pytest.raises(GateError, match=f"{name}=True: give a count of rows"):
        _problems(_scored(data, 1), **{name: True})


def test_rows_of_models_by_a_column_are_compared_with_the_range_of_their_own_model(tmp_path: Path) -> None:
    """Sensors have other ranges: 1,000 more of sensor 1 is outside of its own alone."""
    moved = _by_column(tmp_path, {1: 1000.0})
    beyond = moved.beyond()
    assert beyond is not None
    assert (beyond.rows, beyond.features["x"]["rows"], beyond.features["x"]["above"]) == (600, 600, 200)
    (problem,) = _problems([moved], max_outside=0.3)
    assert problem.startswith("partition day=1: in x, 33.33% of the rows lie outside the range of training, such as ")
    assert _problems([moved], max_outside={"x": 0.4}) == []
    assert "the model has no features of classes" in _problems([moved], max_unseen=0.3)[0]
