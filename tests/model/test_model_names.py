"""What names a row's model is the same in training and in scoring, whatever type the files have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LinearRegression
from support import scores, write_csv

from airflow_batchscore import LocalDask, ModelPolicy, PartitionedDataset, Recipe
from airflow_batchscore.errors import InputError
from airflow_batchscore.model.model_names import model_names
from airflow_batchscore.model.name_template import models_of
from airflow_batchscore.plan.choose import choose
from airflow_batchscore.plan.models import ModelByColumn
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.rows import read_texts
from airflow_batchscore.training.train import TrainingJob
from airflow_batchscore.training.train_many import train_many

pytestmark = pytest.mark.unit


def _job(folder: Path) -> TrainingJob:
    recipe = Recipe(target="y", keys=["id"], columns=["x"])
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.parquet")
    return TrainingJob(dataset, [1], recipe, LinearRegression(), f"{folder}/by/{{s}}")


def _train(folder: Path, values: Any) -> Any:
    """A partition 1 with three times 20 rows, whose column s says which model they are for."""
    rows = np.arange(60)
    columns = {
        "id": rows,
        "x": rows.astype(float),
        "y": rows % 3 * 2.0,
        "s": pa.array(values.to_pylist() * 20, values.type),
    }
    pq.write_table(pa.table(columns), folder / "part_1.parquet")
    return train_many(_job(folder), lambda run, jobs: (run(*some) for some in jobs), alias="champion")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (pa.array([0.1, 2.5, -0.0], pa.float32()), ["0", "0.10000000149011612", "2.5"]),
        (pa.array(np.array([0.1, 2.5, -0.0], np.float16)), ["0", "0.0999755859375", "2.5"]),
        (pa.array([0.1, 2.5, 0.0]), ["0", "0.1", "2.5"]),
        (pa.array(["a", "b", "c"], pa.string_view()), ["a", "b", "c"]),
        (pa.array(["a", "b", "c"]).dictionary_encode(), ["a", "b", "c"]),
        (pa.array([b"a", b"b", b"c"]), ["a", "b", "c"]),
        (pa.array([True, False, True]), ["false", "true"]),
    ],
    ids=str,
)
def test_scoring_finds_the_models_that_training_made(tmp_path: Path, values: pa.Array, names: list[str]) -> None:
    assert _train(tmp_path, values).trained == len(names)
    template = f"{tmp_path}/by/{{s}}@champion"
    assert sorted(models_of(template)) == names
    models = ModelByColumn("s", choose(models_of(template), ModelPolicy()))
    job = ScoringJob(_job(tmp_path).dataset, models, f"{tmp_path}/staged", block_rows=25)
    ((manifest, _),) = score_partitions(job, [{"p": "1"}], LocalDask(workers=1))
    assert manifest.account.rows_scored == 60
    if len(names) == 3:
        np.testing.assert_allclose(scores(manifest)["prediction"], np.arange(60) % 3 * 2.0, atol=1e-9)


def test_missing_values_and_nan_name_no_model() -> None:
    column = pa.chunked_array([pa.array([1.5, float("nan"), None], from_pandas=False)])
    assert model_names(column, "s").to_pylist() == ["1.5", "", ""]


@pytest.mark.parametrize("value", [b"\xff", [1], {"a": 1}], ids=str)
def test_values_without_a_text_are_refused_by_name(tmp_path: Path, value: Any) -> None:
    with pytest.raises(InputError, match=r"the column 's' is .*, which cannot name models"):
        _train(tmp_path, pa.array([value] * 3))


def test_a_row_that_cannot_be_read_does_not_shift_the_others(tmp_path: Path) -> None:
    write_csv(tmp_path / "p_1.csv", [(1, 1, 1), ("\xff", "x" * 3, 1, 1, 1), (2, 1, 1)], header=("s", "x", "y"))
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.csv")
    with pytest.raises(InputError, match=r"partition p=1: .*row 1: expected 3 fields.*Training takes whole files"):
        read_texts(dataset, dataset.require(), "s")
