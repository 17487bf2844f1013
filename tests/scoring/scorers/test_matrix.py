"""The way without pandas gives what the way with it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import Small, good_rows, scores, small

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.model import artifact
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.quality.profile import count
from airflow_batchscore.scoring.scorers.matrix import MatrixInput
from airflow_batchscore.training.train import TrainingJob, train

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
def test_a_matrix_gives_what_a_frame_gives(tmp_path: Path, estimator: str) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(300, 50))
    ref = _train(data, estimator)
    model = artifact.load(ref)  # type: ignore[arg-type]
    raw = pd.read_csv(data.folder / "part_1.csv")
    # BLAS rounds the last digit of a product by the size of the batch; classes must be equal to the bit.
    for method, rounding in (("predict", 0.0), ("predict_proba", 1e-12)):
        assert MatrixInput.of(model, OutputSpec.of(method)) is not None
        ((manifest, _),) = data.score(1, model=ref, method=method, block_rows=70)
        expected = getattr(model.estimator, method)(raw[["a", "b"]].astype(float))
        written = scores(manifest).drop(columns="id").to_numpy()
        np.testing.assert_allclose(written, expected.reshape(written.shape), rtol=rounding)


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
    ((manifest, _),) = data.score(1, dataset=PartitionedDataset(f"{tmp_path}/part_{{p}}.parquet"))
    assert manifest.account.rows_quarantined == 2
    assert scores(manifest)["id"].tolist() == [0, 2, 3, 5]


def test_a_recipe_with_a_function_gets_a_frame(tmp_path: Path) -> None:
    data = small(tmp_path, features=lambda frame: frame[["a", "b"]])
    assert MatrixInput.of(artifact.load(data.model), OutputSpec()) is None


class AltersItsInput(ClassifierMixin, BaseEstimator):
    """Each method writes into the rows that it is given."""

    def fit(self, X: Any, y: Any) -> AltersItsInput:  # noqa: N803
        self.classes_ = np.array([0, 1])
        X[:] = 99
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        found = np.asarray(X)[:, 0].copy() > 1
        X[:] = 99
        return found.astype(int)

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        found = np.asarray(X)[:, 0].copy() / 100
        X[:] = 99
        return np.column_stack([1 - found, found])


@pytest.mark.parametrize(
    "estimator", [AltersItsInput(), make_pipeline(StandardScaler(copy=False), LogisticRegression())]
)
@pytest.mark.parametrize("features", [None, lambda frame: frame[["a", "b"]]])
def test_a_model_that_alters_its_input_gives_what_it_gives_for_fresh_rows(
    tmp_path: Path, estimator: Any, features: Any
) -> None:
    plain = small(tmp_path)
    recipe = Recipe(features=features, target="label", keys=["id"], columns=["a", "b"])
    trained = train(TrainingJob(plain.dataset, [0], recipe, estimator, f"{tmp_path}/alters"))
    data = Small(tmp_path, trained.ref, recipe)
    data.add(1, good_rows(300, 40))
    ((manifest, _),) = data.score(1, method="predict, predict_proba", engine=LocalDask(workers=1, processes=False))

    raw = pd.read_csv(tmp_path / "part_1.csv")[["a", "b"]].astype(float)
    model = artifact.load(trained.ref)
    found = scores(manifest)
    np.testing.assert_array_equal(found["predict"], model.estimator.predict(raw.copy()))
    np.testing.assert_allclose(found["predict_proba_1"], model.estimator.predict_proba(raw.copy())[:, 1])
    if model.manifest.signature.matrix:
        assert MatrixInput.of(model, OutputSpec.of("predict, predict_proba")) is not None or features
    reference = model.manifest.profile.features
    assert manifest.blocks[0].features == count(raw, reference.bins)
    trained_on = pd.read_csv(tmp_path / "part_0.csv")[["a", "b"]].astype(float)
    assert reference.counts == count(trained_on, reference.bins)
    assert trained.manifest.metrics["accuracy"] == pytest.approx(
        (model.estimator.predict(trained_on.copy()) == pd.read_csv(tmp_path / "part_0.csv")["label"]).mean()
    )


@pytest.mark.parametrize("estimator", ["RandomForestClassifier", "HistGradientBoostingClassifier"])
def test_integers_that_float32_rounds_otherwise_than_float64_take_the_way_of_the_library(
    tmp_path: Path, estimator: str
) -> None:
    """Just beside the middle of two float32; by way of float64 it is the middle, which goes to the even one."""
    data = small(tmp_path)
    model = artifact.load(_train(data, f"sklearn.ensemble:{estimator}"))  # type: ignore[arg-type]
    matrix = MatrixInput.of(model, OutputSpec.of("predict"))
    assert matrix is not None
    for wide in (2**60 + 2**36 + 1, -(2**60) - 2**36 - 1):
        built = matrix.build(pa.table({"a": [1, wide], "b": [0.5, 1.5]}))
        assert (built is None) == (estimator == "RandomForestClassifier")
    assert matrix.build(pa.table({"a": [1, 2**53], "b": [0.5, 1.5]})) is not None
