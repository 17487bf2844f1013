"""Rows are scored with keys and features that no file has: the row's number, its file, the partition's fields."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from publications import publish
from support import good_rows, scores, write_csv

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.errors import OutputError, RecipeError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.evaluation import evaluate
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

pytestmark = pytest.mark.unit

KEYS = ["_row", "day"]
ENGINE = LocalDask(workers=2, processes=False)


def with_weekend(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["a", "b"]].assign(weekend=pd.to_datetime(frame["day"]).dt.dayofweek > 4)


def places(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"where": frame["_file"].str.rpartition("/")[2]}, index=frame.index)


def count(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"rows": [len(frame)]})


@pytest.fixture
def days(tmp_path: Path) -> PartitionedDataset:
    """Two days, each with 300 rows in two files."""
    for day in ("2026-04-03", "2026-04-04"):
        for name, rows in (("a", 200), ("b", 100)):
            write_csv(tmp_path / "in" / f"day={day}" / f"{name}.csv", good_rows(rows, 1000))
    return PartitionedDataset(f"{tmp_path}/in/day={{day}}/")


def _train(days: PartitionedDataset, folder: Path, recipe: Recipe) -> TrainedModel:
    return train(TrainingJob(days, None, recipe, "sklearn.linear_model:LogisticRegression", f"{folder}/model"))


def _score(job: ScoringJob) -> list[Manifest]:
    parts = [partition.values for partition in job.dataset.discover()]
    return [manifest for manifest, _ in score_partitions(job, parts, ENGINE)]


def test_a_field_is_a_feature_and_rows_are_known_by_their_number(days: PartitionedDataset, tmp_path: Path) -> None:
    recipe = Recipe(features=with_weekend, target="label", keys=KEYS, columns=["a", "b", "day"])
    trained = _train(days, tmp_path, recipe)
    assert evaluate(trained.ref, days, None, require={}).rows == 600
    job = ScoringJob(days, OneModel(trained.ref), f"{tmp_path}/staged", block_rows=30)
    manifests = _score(job)
    friday = manifests[0]
    assert len(friday.blocks) > 4
    table = scores(friday)
    assert list(table.columns) == ["_row", "prediction"], "the partition's field is not repeated in its rows"
    assert table["_row"].tolist() == list(range(300))
    assert [reused for _, reused in score_partitions(job, [friday.partition], ENGINE)] == [True]
    others = _score(replace(job, keys=("_row",)))
    assert {manifest.identity for manifest in others}.isdisjoint(manifest.identity for manifest in manifests)
    for name in ("out", "out.parquet"):
        publish(manifests, tmp_path / name)
    query = "SELECT day::text, min(_row), max(_row), count(*) FROM read_parquet('{}'{}) GROUP BY day ORDER BY day"
    expected = [("2026-04-03", 0, 299, 300), ("2026-04-04", 0, 299, 300)]
    assert duckdb.sql(query.format(f"{tmp_path}/out/**/*.parquet", ", hive_partitioning=true")).fetchall() == expected
    assert duckdb.sql(query.format(f"{tmp_path}/out.parquet", "")).fetchall() == expected


def test_a_row_in_quarantine_is_known_by_its_number(days: PartitionedDataset, tmp_path: Path) -> None:
    trained = _train(days, tmp_path, Recipe(target="label", keys=KEYS, columns=["a", "b"]))
    rows = [(n, "x" if n == 77 else n, n % 3, 0) for n in range(100)]
    write_csv(tmp_path / "in" / "day=2026-04-05" / "a.csv", rows)
    job = ScoringJob(days, OneModel(trained.ref), f"{tmp_path}/staged", block_rows=30)
    manifest = _score(job)[-1]
    assert manifest.account == Account(100, 99, 0, 1)
    (bad,) = [block for block in manifest.blocks if block.quarantine]
    row = pq.read_table((manifest.folder / str(bad.quarantine)).uri).to_pylist()[0]
    assert (row["key__row"], row["day"]) == ("77", "2026-04-05")
    assert json.loads(row["raw"])["a"] == "x"
    assert scores(manifest)["_row"].tolist() == [n for n in range(100) if n != 77]


def test_functions_get_what_they_name(days: PartitionedDataset, tmp_path: Path) -> None:
    function = FunctionJob(FunctionRef.of(places), columns=("_file",))
    job = ScoringJob(days, function, f"{tmp_path}/staged", keys=("id", "_row"), block_rows=40)
    table = scores(_score(job)[0])
    assert table["where"].value_counts().to_dict() == {"a.csv": 200, "b.csv": 100}
    whole = replace(job, scored_with=replace(function, row_wise=False), output_uri=f"{tmp_path}/whole")
    pd.testing.assert_frame_equal(scores(_score(whole)[0]), table)


def test_rows_are_grouped_by_file_but_not_by_what_the_partition_has(days: PartitionedDataset, tmp_path: Path) -> None:
    grouped = FunctionJob(FunctionRef.of(count), group_by=("_file",))
    first = _score(ScoringJob(days, grouped, f"{tmp_path}/staged", block_rows=30))[0]
    assert sorted(scores(first)["rows"]) == [100, 200]
    by_day = ScoringJob(days, replace(grouped, group_by=("day",)), f"{tmp_path}/by_day", block_rows=30)
    manifests = _score(by_day)
    assert scores(manifests[0])["rows"].tolist() == [300]
    with pytest.raises(OutputError, match="day is the name of a partition field and of a column"):
        publish(manifests, tmp_path / "out")


def test_a_feature_that_the_recipe_does_not_name_is_asked_for(days: PartitionedDataset, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"KeyError: 'day'.*name it, too: Recipe\(columns="):
        _train(days, tmp_path, Recipe(features=with_weekend, target="label", columns=["a", "b"]))
    with pytest.raises(RecipeError, match=r"'day' is no column of the files, but the data set has it: Recipe\(columns"):
        _train(days, tmp_path, Recipe(features=with_weekend, target="label"))
