"""The way without pandas gives what the way with it gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import Small, good_rows, scores, small

from airflow_batchscore.model import artifact
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.training import TrainingJob, train
from airflow_batchscore.scoring.matrix import MatrixInput

pytestmark = pytest.mark.unit


def _train(data: Small, estimator: str) -> object:
    return train(TrainingJob(data.dataset, [0], data.recipe, estimator, f"{data.folder}/{estimator[-9:]}")).ref


@pytest.mark.parametrize(
    "estimator",
    [
        "sklearn.linear_model:LogisticRegression",
        "sklearn.ensemble:RandomForestClassifier",
        "sklearn.ensemble:HistGradientBoostingClassifier",
        "sklearn.neighbors:KNeighborsClassifier",
    ],
)
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_a_matrix_gives_what_a_frame_gives(tmp_path: Path, estimator: str, method: str) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(300, 50))
    ref = _train(data, estimator)
    model = artifact.load(ref)  # type: ignore[arg-type]
    assert MatrixInput.of(model, OutputSpec.of(method)) is not None
    ((manifest, _),) = data.score(1, model=ref, method=method, block_rows=70)
    raw = pd.read_csv(data.folder / "part_1.csv")
    expected = getattr(model.estimator, method)(raw[["a", "b"]].astype(float))
    found = scores(manifest).drop(columns="id").to_numpy()
    # BLAS rounds the last digit of a product by the size of the batch; classes must be equal to the bit.
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=0 if method == "predict" else 1e-12)


def test_a_model_that_picks_columns_by_name_gets_a_frame(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(30))
    ref = _train(data, "strange_models:by_name")
    assert MatrixInput.of(artifact.load(ref), OutputSpec()) is None  # type: ignore[arg-type]
    ((manifest, _),) = data.score(1, model=ref)
    assert manifest.account.rows_scored == 30


def test_missing_values_take_the_way_with_pandas(tmp_path: Path) -> None:
    data = small(tmp_path)
    table = pa.table({"id": range(6), "a": [1.0, None, 2.0, 3.0, float("nan"), 1.0], "b": [1, 2, 3, 4, 5, 6]})
    pq.write_table(table, tmp_path / "part_1.parquet")
    from airflow_batchscore import PartitionedDataset

    ((manifest, _),) = data.score(1, dataset=PartitionedDataset(f"{tmp_path}/part_{{p}}.parquet"))
    assert manifest.account.rows_quarantined == 2
    assert scores(manifest)["id"].tolist() == [0, 2, 3, 5]


def test_a_recipe_with_a_function_gets_a_frame(tmp_path: Path) -> None:
    data = small(tmp_path, features=lambda frame: frame[["a", "b"]])
    assert MatrixInput.of(artifact.load(data.model), OutputSpec()) is None
