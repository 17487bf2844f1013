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
from airflow_batchscore.engine.spark import predict_udf, score_table
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.training import TrainingJob, train
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.frames import FrameJob

pytestmark = pytest.mark.unit


def _scored(data: Small, *tables: pa.Table) -> pd.DataFrame:
    job = FrameJob.of(data.model.uri, OutputSpec.of("predict"), ("id",), Limit(0), allow_nan=False)
    return pd.concat([scored.table.to_pandas() for _, scored in job.score(tables)], ignore_index=True)


def _job(uri: str, trust: Trust) -> FrameJob:
    return FrameJob.of(uri, OutputSpec.of("predict"), ("id",), Limit(0), allow_nan=False, trust=trust)


def test_a_model_that_is_not_trusted_is_refused_before_spark_does_anything(tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="it pins pandas<3")
    data, rows = small(tmp_path), cast(Any, None)
    for trust in (Trust(prefixes=()), Trust(prefixes=((None, f"{tmp_path}/trusted"),))):
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
    uri, trusted = train(training).ref.uri, ((None, f"{data.folder}/skops"),)
    rows = [pa.table({"id": [1], "a": [1], "b": [2]})]
    with pytest.raises(ModelError, match="holds types that nobody trusts: strange_models.Picky"):
        list(_job(uri, Trust(prefixes=trusted)).score(rows))
    ((_, scored),) = _job(uri, Trust(prefixes=trusted, types=("strange_models.Picky",))).score(rows)
    assert scored.table.num_rows == 1


def test_a_model_that_is_changed_after_the_driver_saw_it_is_not_loaded_by_an_executor(tmp_path: Path) -> None:
    data = small(tmp_path)
    artifact._loaded.clear()
    job = _job(data.model.uri, Trust(prefixes=((None, f"{tmp_path}/model"),)))
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


def test_a_batch_without_a_value_goes_together_with_the_others(tmp_path: Path) -> None:
    """pandas gives it another type, and the index of each batch is its own."""
    pytest.importorskip("pyspark", reason="it pins pandas<3")
    from airflow_batchscore.engine.spark import predict_udf

    fill = "sklearn.ensemble:HistGradientBoostingClassifier"
    data = small(tmp_path)
    model = train(TrainingJob(data.dataset, [0], data.recipe, fill, f"{tmp_path}/other")).ref
    frame = pd.DataFrame(good_rows(40), columns=["id", "a", "b", "label"])[["a", "b"]]
    empty = frame.assign(a=pd.Series([None] * 40, dtype=object))
    (found,) = list(predict_udf(model.uri).func(iter([frame[20:], empty])))
    rows = pd.concat([frame[20:], empty.astype(float)])
    assert found.tolist() == artifact.load(model).estimator.predict(rows).tolist()
