"""Rows that somebody else reads and hands over as Arrow tables, as Spark does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import Small, good_rows, small

from airflow_batchscore import PartitionedDataset, Recipe, Trust
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, ModelError, RecipeError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.trust import TRUST_ALL
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.spark import predict_udf, score_table
from airflow_batchscore.spark.frames import FrameJob, grouped
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit


def _scored(data: Small, *tables: pa.Table) -> pd.DataFrame:
    job = FrameJob.of(data.model.uri, OutputSpec.of("predict"), ("id",), Limit(0), allow_nan=False)
    return pd.concat([scored.table.to_pandas() for _, scored in job.score(tables)], ignore_index=True)


def _job(uri: str, trust: Trust) -> FrameJob:
    return FrameJob.of(uri, OutputSpec.of("predict"), ("id",), Limit(0), allow_nan=False, trust=trust)


def test_a_model_that_is_not_trusted_is_refused_before_spark_does_anything(tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="it pins pandas<3")
    data, rows = small(tmp_path), cast(Any, None)
    for trust in (Trust(prefixes=()), Trust(prefixes=(Location(f"{tmp_path}/trusted"),))):
        with pytest.raises(ModelError, match="lies below none of the trusted URIs"):
            predict_udf(data.model.uri, trust=trust)
        with pytest.raises(ModelError, match="lies below none of the trusted URIs"):
            score_table(rows, rows, "scores", model=data.model.uri, trust=trust)
    with pytest.raises(ModelError, match="is not signed"):
        predict_udf(data.model.uri, trust=Trust(key=b"key", require_signature=True))
    with pytest.raises(InputError, match="decoded"):
        predict_udf(f"{tmp_path}/trusted/../model/{data.model.version}")


def test_types_that_are_trusted_go_to_the_workers_and_no_others(tmp_path: Path) -> None:
    data = small(tmp_path)
    training = TrainingJob(
        data.dataset, [0], data.recipe, "strange_models:Picky", f"{data.folder}/skops", flavor="skops"
    )
    uri, trusted = train(training).ref.uri, (Location(f"{data.folder}/skops"),)
    rows = [pa.table({"id": [1], "a": [1], "b": [2]})]
    with pytest.raises(ModelError, match="holds types that nobody trusts: strange_models.Picky"):
        list(_job(uri, Trust(prefixes=trusted)).score(rows))
    ((_, scored),) = _job(uri, Trust(prefixes=trusted, types=("strange_models.Picky",))).score(rows)
    assert scored.table.num_rows == 1


def test_a_model_that_is_changed_after_the_driver_saw_it_is_not_loaded_by_an_executor(tmp_path: Path) -> None:
    data = small(tmp_path)
    artifact._loaded.clear()
    job = _job(data.model.uri, Trust(prefixes=(Location(f"{tmp_path}/model"),)))
    manifest = Path(data.model.uri, "model.json")
    manifest.write_text(manifest.read_text().replace('"rows_trained"', '"rows_trained" '))
    with pytest.raises(ModelError, match="model.json is not the one that the run pinned"):
        list(job.score([]))


def test_an_index_that_pandas_noted_moves_no_row(tmp_path: Path) -> None:
    data = small(tmp_path, features=lambda frame: frame[["a", "b"]])
    # Two runs of ids: pandas 3 makes a range of an even index, which is stored outside the columns.
    frame = pd.DataFrame(good_rows(50, 500) + good_rows(50, 600), columns=["id", "a", "b", "label"])
    tables = [pa.Table.from_pandas(some) for some in (frame.set_index("id"), frame[20:70], frame[::-1])]
    found = _scored(data, *tables)
    rows = pd.concat([frame, frame[20:70], frame[::-1]])
    assert found["id"].tolist() == rows["id"].tolist()
    plain = artifact.load(data.model).estimator.predict(rows[["a", "b"]].astype(float))
    assert found["prediction"].tolist() == plain.tolist()


def test_a_value_that_is_not_exact_is_refused_with_its_row(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], "a": [1, 2**53 + 1], "b": [1, 2]})
    with pytest.raises(InputError, match=f"the table, row 1: column 'a': {2**53 + 1} is not exact as a float"):
        _scored(small(tmp_path), table)


def test_an_instant_is_seen_in_the_zone_of_training(tmp_path: Path) -> None:
    """Spark hands times on in the zone of its session."""
    times = pa.array([datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in range(24)], pa.timestamp("us", "UTC"))
    (tmp_path / "p=0").mkdir()
    table = pa.table({"id": range(24), "t": times, "label": np.arange(24) > 11})
    pq.write_table(table, tmp_path / "p=0" / "0.parquet")
    recipe = Recipe(features=lambda rows: rows["t"].dt.hour.to_frame("hour"), target="label", columns=["t"])
    dataset = PartitionedDataset(f"{tmp_path}/p={{p}}/")
    job = TrainingJob(dataset, [0], recipe, "sklearn.tree:DecisionTreeClassifier", f"{tmp_path}/model")
    data = Small(tmp_path, train(job).ref, recipe)

    def of(kind: pa.DataType) -> Any:
        return _scored(data, table.set_column(1, "t", times.cast(kind)))["prediction"].tolist()

    assert of(pa.timestamp("us", "Asia/Tokyo")) == table["label"].to_pylist()
    assert of(pa.timestamp("ms", "Etc/UTC")) == table["label"].to_pylist()
    with pytest.raises(InputError, match="column 't' is timestamp"):
        of(pa.timestamp("us"))


@pytest.mark.parametrize(
    ("sizes", "rows", "groups"),
    [
        ([70, 70, 70], 100, [140, 70]),
        ([100], 100, [100]),
        ([300, 1], 100, [300, 1]),
        ([0, 0, 5], 3, [5]),
        ([], 100, []),
    ],
)
def test_batches_are_put_together_until_a_group_has_as_many_rows(
    sizes: list[int], rows: int, groups: list[int]
) -> None:
    batches = [pa.record_batch({"a": np.arange(size)}) for size in sizes]
    tables = list(grouped(batches, rows))
    assert [table.num_rows for table in tables] == groups
    assert [n for table in tables for n in table["a"].to_pylist()] == [n for size in sizes for n in range(size)]


def test_a_table_without_rows_is_an_account_of_none(tmp_path: Path) -> None:
    job = _job(small(tmp_path).model.uri, TRUST_ALL)
    empty = pa.table({"id": pa.array([], pa.int64()), "a": pa.array([], pa.int64()), "b": pa.array([], pa.int64())})
    ((batch, scored),) = job.score([empty])
    assert (batch.rows_read, scored.table.num_rows, scored.skipped, scored.failed) == (0, 0, 0, [])


def test_columns_that_are_needed_are_the_models_and_the_keys_each_once(tmp_path: Path) -> None:
    data = small(tmp_path)
    keys = ("id", "a")
    job = FrameJob.of(data.model.uri, OutputSpec.of("predict"), keys, Limit(0), allow_nan=False)
    assert job.needed == ["a", "b", "id"]
    assert FrameJob.of(data.model.uri, OutputSpec.of("predict"), None, Limit(0), allow_nan=False).rules.keys == ("id",)


def test_a_recipe_that_needs_whole_partitions_is_refused(tmp_path: Path) -> None:
    data = small(tmp_path, row_wise=False)
    with pytest.raises(RecipeError, match=r"its recipe has row_wise=False and needs whole partitions, which a Spark"):
        _job(data.model.uri, TRUST_ALL)
