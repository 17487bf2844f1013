"""Columns that had no value in training: while they stay empty they are NaN, and their first value is never guessed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import scores

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.errors import InputError
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

pytestmark = pytest.mark.unit

LINEAR = "sklearn.linear_model:LinearRegression"
DECLARED = {"column_types": {"promo": "float64"}}


def half_price(rows: pd.DataFrame) -> pd.DataFrame:
    assert rows["promo"].dtype == "float64", "as pandas reads a column without any value"
    return pd.DataFrame({"price": rows["a"].where(rows["promo"] != 2, rows["a"] / 2)})


def _write(folder: Path, suffix: str, promos: dict[int, Any]) -> PartitionedDataset:
    for number, promo in promos.items():
        table = pa.table({"id": ["x", "y", "z"], "a": [1.0, 2.0, 3.0], "promo": promo, "y": [10.0, 20.0, 30.0]})
        if suffix == "csv":
            table.to_pandas().to_csv(folder / f"part_{number}.csv", index=False)
        else:
            pq.write_table(table, folder / f"part_{number}.parquet")
    return PartitionedDataset(f"{folder}/part_{{p}}.{suffix}")


def _train(folder: Path, dataset: PartitionedDataset, recipe: Recipe) -> TrainedModel:
    return train(TrainingJob(dataset, [0], recipe, LINEAR, f"{folder}/model"))


def _score(folder: Path, dataset: PartitionedDataset, model: TrainedModel, partition: int) -> Manifest:
    job = ScoringJob(dataset, OneModel(model.ref), f"{folder}/staged")
    ((manifest, _),) = score_partitions(job, [{"p": str(partition)}], LocalDask(workers=1, processes=False))
    return manifest


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_first_value_of_a_column_is_refused_until_its_type_is_named(tmp_path: Path, suffix: str) -> None:
    nothing = pa.nulls(3)
    still = pa.array([None, None, float("nan")], pa.float64())
    dataset = _write(tmp_path, suffix, {0: nothing, 1: pa.array([1, 2, None]), 2: nothing, 3: still})
    columns = ["a", "promo"]
    model = _train(tmp_path, dataset, Recipe(features=half_price, target="y", keys=["id"], columns=columns))
    assert model.manifest.signature.raw["promo"] == "null"
    message = r"p=1, block 0.*column 'promo' has values here \(.*had no value .*in training.*column_types.*train again"
    with pytest.raises(InputError, match=message):
        _score(tmp_path, dataset, model, 1)
    for empty in (2, 3):
        assert scores(_score(tmp_path, dataset, model, empty))["prediction"].round(6).tolist() == [10, 20, 30]
    named = replace(dataset, read_options=DECLARED)
    assert scores(_score(tmp_path, named, model, 1))["prediction"].round(6).tolist() == [10, 10, 30]


def test_a_column_without_any_value_is_no_feature_by_itself(tmp_path: Path) -> None:
    dataset = _write(tmp_path, "csv", {0: pa.nulls(3), 1: pa.array([1, 2, 3])})
    model = _train(tmp_path, dataset, Recipe(target="y", keys=["id"]))
    assert model.manifest.signature.features == ("a",)
    assert _score(tmp_path, dataset, model, 1).account.rows_scored == 3


def test_a_cell_that_is_not_missing_counts_as_a_value(tmp_path: Path) -> None:
    dataset = _write(tmp_path, "csv", {0: pa.nulls(3)})
    model = _train(tmp_path, dataset, Recipe(features=half_price, target="y", keys=["id"], columns=["a", "promo"]))
    (tmp_path / "part_1.csv").write_text("id,a,promo,y\nx,1,NA,1\ny,2, ,1\n")
    with pytest.raises(InputError, match=r"part_1.csv: column 'promo' has values here \(' '\)"):
        _score(tmp_path, dataset, model, 1)
    (tmp_path / "part_2.csv").write_text('id,a,promo,y\nx,1,NA,1\ny,2,"",1\nz,bad,,1\n')
    assert _score(tmp_path, dataset, model, 2).account.rows_scored == 2
