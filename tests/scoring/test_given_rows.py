"""Rows that somebody else reads and hands over as Arrow tables, as Spark does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import Small, good_rows, small

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.errors import InputError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.training import TrainingJob, train
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.frames import FrameJob

pytestmark = pytest.mark.unit


def _scored(data: Small, *tables: pa.Table) -> pd.DataFrame:
    job = FrameJob.of(data.model.uri, OutputSpec.of("predict"), ("id",), Limit(0), allow_nan=False)
    return pd.concat([scored.table.to_pandas() for _, scored in job.score(tables)], ignore_index=True)


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
