"""Each row is scored with the model of its value in a column."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import scores, write_csv

from airflow_batchscore import LocalDask, ModelPolicy, PartitionedDataset, Recipe
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import ModelError, ScoringError
from airflow_batchscore.model.name_template import models_of
from airflow_batchscore.model.reference import resolve, set_alias
from airflow_batchscore.plan.choose import choose
from airflow_batchscore.plan.models import Chosen, ModelByColumn
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.publish.coverage import Coverage, scored_coverage
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.scoring.scorers.by_column import save_set
from airflow_batchscore.training.train import TrainingJob, train
from airflow_batchscore.training.train_many import ManyTrained, train_many

pytestmark = pytest.mark.unit

RECIPE = Recipe(target="y", keys=["id"], columns=["x"])
ONE = LocalDask(workers=1, processes=False)


def _run(function: Any, arguments: Any) -> Iterator[Any]:
    return (function(*argument) for argument in arguments)


def _by_column(folder: Path) -> PartitionedDataset:
    """Two partitions with the rows of six sensors in turns, and one of a sensor that training has not seen."""
    for day in range(3):
        rows = [(n, n % 6, n, (n % 6 + 1) * n) for n in range(day * 600, day * 600 + 600)]
        write_csv(folder / "days" / f"{day}.csv", rows, header=("id", "sensor_id", "x", "y"))
    write_csv(
        folder / "days" / "3.csv", [(1, 0, 1, 1), (2, 77, 1, 1), (3, "", 1, 1)], header=("id", "sensor_id", "x", "y")
    )
    return PartitionedDataset(f"{folder}/days/{{day}}.csv")


def _column_job(folder: Path, dataset: PartitionedDataset, missing: Chosen | None = None, **options: Any) -> ScoringJob:
    template = f"{folder}/by/{{sensor_id}}@champion"
    choices = choose(models_of(template), ModelPolicy())
    models = ModelByColumn("sensor_id", choices, missing)
    return ScoringJob(dataset, models, f"{folder}/staged", block_rows=100, **options)


def _train_by_column(folder: Path, dataset: PartitionedDataset, **options: Any) -> ManyTrained:
    job = TrainingJob(dataset, [0], RECIPE, "sklearn.linear_model:LinearRegression", f"{folder}/by/{{sensor_id}}")
    return train_many(replace(job, **options), _run, alias="champion")


def test_each_row_is_scored_with_the_model_of_its_column(tmp_path: Path) -> None:
    dataset = _by_column(tmp_path)
    assert _train_by_column(tmp_path, dataset) == ManyTrained(trained=6)
    assert _train_by_column(tmp_path, dataset) == ManyTrained(reused=6)
    job = _column_job(tmp_path, dataset)
    engine = LocalDask(workers=2, processes=False)
    ((manifest, _),) = score_partitions(job, [{"day": "1"}], engine)
    found = scores(manifest)
    assert found["id"].tolist() == [str(n) for n in range(600, 1200)]
    ids = found["id"].astype(int)
    np.testing.assert_allclose(found["prediction"], (ids % 6 + 1) * ids, rtol=1e-9)
    assert audit([{"day": "1"}], [manifest]).problems == []
    assert score_partitions(job, [{"day": "1"}], engine)[0][1]


def test_a_recipe_is_tried_again_once_for_the_models_of_a_block(tmp_path: Path) -> None:
    calls = tmp_path / "calls"

    def doubled(frame: pd.DataFrame) -> pd.DataFrame:
        with calls.open("a") as file:
            file.write("called\n")
        return frame[["x"]] * 2

    dataset = _by_column(tmp_path)
    _train_by_column(tmp_path, dataset, recipe=Recipe(doubled, target="y", keys=["id"], columns=["x"]))
    calls.unlink()
    job = replace(_column_job(tmp_path, dataset), block_rows=1000)
    score_partitions(job, [{"day": "1"}], ONE)
    assert len(calls.read_text().splitlines()) == 6 + 2


def test_a_value_without_a_model_fails_or_is_skipped_or_falls_back(tmp_path: Path) -> None:
    dataset = _by_column(tmp_path)
    _train_by_column(tmp_path, dataset)
    with pytest.raises(ModelError, match=r"1 rows have sensor_id=(77|), for which there is no model"):
        score_partitions(_column_job(tmp_path, dataset), [{"day": "3"}], ONE)
    skip = _column_job(tmp_path, dataset, Chosen(None, "skipped", "missing"))
    ((manifest, _),) = score_partitions(skip, [{"day": "3"}], ONE)
    assert manifest.account == Account(3, 1, 2, 0)
    assert manifest.uncovered == {"sensor_id=77: missing, skipped": 1, "sensor_id=: missing, skipped": 1}
    one = resolve(f"{tmp_path}/by/1@champion")
    back = _column_job(tmp_path, dataset, Chosen(one, "fallback", "missing"))
    ((manifest, _),) = score_partitions(back, [{"day": "3"}], ONE)
    np.testing.assert_allclose(scores(manifest)["prediction"], [1, 2, 2])
    assert scored_coverage([manifest]) == Coverage(
        1, {"sensor_id=77: missing, fallback": 1, "sensor_id=: missing, fallback": 1}
    )


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["1", "2", ""], ["1", "2"]),  # whole numbers stay so beside a missing one
        (["1.5", "2.0", "1.5"], ["1.5", "2.0"]),
        (["007", "NA", "7"], ["007", "7", "NA"]),
        (["12345678901234567890", "12345678901234567891", "5"], ["12345678901234567890", "12345678901234567891", "5"]),
        (["true", "false", "true"], ["false", "true"]),
        (["a b", "../up", "ok"], ["ok"]),
    ],
)
def test_values_of_every_type_name_models_as_scoring_looks_for_them(
    tmp_path: Path, values: list[str], names: list[str]
) -> None:
    rows = [(n, values[n % 3], n % 10, 2 * (n % 10)) for n in range(90)]
    write_csv(tmp_path / "days" / "0.csv", rows, header=("id", "sensor_id", "x", "y"))
    dataset = PartitionedDataset(f"{tmp_path}/days/{{day}}.csv")
    bad = [value for value in values if "/" in value or " " in value]
    if bad:
        with pytest.raises(ModelError, match=r"2 of 3 models could not be trained.*sensor_id=../up: .*is not usable"):
            _train_by_column(tmp_path, dataset)
    else:
        assert _train_by_column(tmp_path, dataset).trained == len(names)
    assert sorted(path.name for path in (tmp_path / "by").iterdir()) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["by", "days"]
    job = _column_job(tmp_path, dataset, Chosen(None, "skipped", "missing"))
    ((manifest, _),) = score_partitions(job, [{"day": "0"}], ONE)
    lacking = sum(values.count(value) for value in {*bad, ""} if value in values)
    assert manifest.account == Account(90, 90 - 30 * lacking, 30 * lacking, 0)


def test_a_set_of_models_that_was_altered_is_not_used(tmp_path: Path) -> None:
    dataset = _by_column(tmp_path)
    _train_by_column(tmp_path, dataset)
    job = _column_job(tmp_path, dataset)
    assert isinstance(job.scored_with, ModelByColumn)
    saved = Path(save_set(job.scored_with, Location(f"{tmp_path}/staged/_models")).location.uri)
    saved.write_text(saved.read_text().replace("own", "OWN"))
    with pytest.raises(ModelError, match="the list of the run's models, was altered; run the plan again"):
        score_partitions(job, [{"day": "1"}], ONE)


def test_models_of_other_shapes_are_refused_by_name(tmp_path: Path) -> None:
    dataset = _by_column(tmp_path)
    _train_by_column(tmp_path, dataset)

    def both(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[["y", "x"]]

    recipe = Recipe(target=both, keys=["id"], columns=["x"])
    other = train(TrainingJob(dataset, [0], recipe, "sklearn.linear_model:LinearRegression", f"{tmp_path}/by/4"))
    set_alias(f"{tmp_path}/by/4", "champion", other.ref, time.time_ns())
    with pytest.raises(ModelError, match=r"by/4/.* gives .*prediction_1.*, the others of this run give"):
        score_partitions(_column_job(tmp_path, dataset), [{"day": "1"}], ONE)


def test_a_share_of_bad_rows_is_of_all_rows_and_not_of_those_of_one_model(tmp_path: Path) -> None:
    dataset = _by_column(tmp_path)
    _train_by_column(tmp_path, dataset)
    rows = [(n, n % 6, "" if n % 6 == 0 and n < 30 else n, 0) for n in range(600)]
    write_csv(tmp_path / "days" / "4.csv", rows, header=("id", "sensor_id", "x", "y"))
    job = replace(_column_job(tmp_path, dataset), block_rows=1000)
    with pytest.raises(ScoringError, match="more than 3 rows fail"):
        score_partitions(replace(job, limit=Limit(0.005)), [{"day": "4"}], ONE)
    ((manifest, _),) = score_partitions(replace(job, limit=Limit(0.01)), [{"day": "4"}], ONE)
    assert manifest.account == Account(600, 595, 0, 5)
    bad = pd.read_parquet(f"{manifest.folder}/{manifest.blocks[0].quarantine}")
    assert bad["row"].tolist() == [0, 6, 12, 18, 24]


def test_the_same_models_are_one_file_which_a_worker_needs(tmp_path: Path) -> None:
    dataset = _by_column(tmp_path)
    _train_by_column(tmp_path, dataset)
    models = _column_job(tmp_path, dataset).scored_with
    assert isinstance(models, ModelByColumn)
    saved = save_set(models, Location(f"{tmp_path}/sets"))
    turned = replace(models, choices=dict(reversed(models.choices.items())))
    assert save_set(turned, Location(f"{tmp_path}/sets")).location == saved.location
    assert saved.load() == models.choices
    other = replace(models, choices={value: models.choices[value] for value in ("0", "1")})
    assert save_set(other, Location(f"{tmp_path}/sets")).digest != saved.digest
    gone = replace(saved, location=Location(f"{tmp_path}/gone.json"))
    with pytest.raises(ModelError, match=r"gone.json, the list of the run's models, is gone; run the plan again"):
        gone.load()
