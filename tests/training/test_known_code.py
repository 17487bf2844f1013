"""Estimators that are not known to look at each row alone are tried when they are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import zscore
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import MiniBatchNMF
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from support import scores

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.errors import RecipeError
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

pytestmark = pytest.mark.unit

NAMES = ["a", "b", "c"]


def z_score(features: Any) -> Any:
    return (features - features.mean(axis=0)) / features.std(axis=0)


def with_mean(features: Any) -> Any:
    """pandas leaves missing values out, NumPy does not."""
    return np.column_stack([features, features.mean(axis=1)])


def _sizes(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[NAMES].abs()


def _sizes_with_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[NAMES].abs().where(frame[NAMES] > -1)


def above_zero(frame: pd.DataFrame) -> Any:
    return (frame["a"] > 0).astype(int)


@pytest.fixture
def dataset(tmp_path: Path) -> PartitionedDataset:
    for partition in (0, 1):
        chance = np.random.default_rng(partition)
        values = {name: chance.normal(size=1000) for name in NAMES}
        if partition:
            values["b"][::5] = np.nan  # not null: as NumPy, Polars and Spark write it
        table = {"id": np.arange(1000), **values, "y": values["a"] * 3}
        pq.write_table(
            pa.table({name: pa.array(column) for name, column in table.items()}), tmp_path / f"{partition}.parquet"
        )
    return PartitionedDataset(f"{tmp_path}/{{p}}.parquet")


def _train(dataset: PartitionedDataset, estimator: Any, **recipe: Any) -> TrainedModel:
    made = Recipe(target="y", keys=["id"], columns=NAMES, **recipe)
    return train(TrainingJob(dataset, [0], made, estimator, f"{Path(dataset.uri).parent}/model"))


@pytest.mark.parametrize("function", [z_score, np.sort])
def test_an_estimator_that_looks_at_other_rows_is_refused_when_it_is_trained(
    dataset: PartitionedDataset, function: Any
) -> None:
    options = {"kw_args": {"axis": 0}} if function is np.sort else {}
    estimator = make_pipeline(FunctionTransformer(function, **options), LinearRegression())
    with pytest.raises(RecipeError, match=r"Pipeline does not look at each row alone.*row_wise=False"):
        _train(dataset, estimator)
    assert _train(dataset, estimator, row_wise=False).manifest.signature.matrix == ()


def test_an_estimator_that_calls_a_function_gets_frames_as_it_was_fitted_on(dataset: PartitionedDataset) -> None:
    estimator = make_pipeline(FunctionTransformer(with_mean), HistGradientBoostingRegressor(random_state=0))
    trained = _train(dataset, estimator)
    job = ScoringJob(dataset, OneModel(trained.ref), f"{Path(dataset.uri).parent}/staged")
    ((manifest, _),) = score_partitions(job, [{"p": "1"}], LocalDask(workers=1))
    before, after = (pd.read_parquet(dataset.uri.format(p=p)) for p in (0, 1))
    expected = estimator.fit(before[NAMES], before["y"]).predict(after[NAMES])
    np.testing.assert_allclose(scores(manifest)["prediction"], expected)


def test_estimators_of_known_libraries_may_have_a_matrix(dataset: PartitionedDataset) -> None:
    trained = _train(dataset, make_pipeline(StandardScaler(), LinearRegression()))
    assert "predict" in trained.manifest.signature.matrix


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (MiniBatchNMF(2, random_state=0), "transform"),
        (DummyClassifier(strategy="stratified", random_state=0), "predict"),
        (DummyClassifier(strategy="uniform", random_state=0), "predict"),
        (IterativeImputer(sample_posterior=True, max_iter=2), "transform"),
        (
            TransformedTargetRegressor(LinearRegression(), func=np.exp, inverse_func=zscore, check_inverse=False),
            "predict",
        ),
    ],
)
def test_estimators_of_known_libraries_are_tried_as_well(
    dataset: PartitionedDataset, estimator: Any, method: str
) -> None:
    recipe = Recipe(
        features=_sizes_with_gaps if "Imputer" in type(estimator).__name__ else _sizes,
        target=above_zero if "Dummy" in type(estimator).__name__ else "y",
        keys=["id"],
    )
    with pytest.raises(RecipeError, match=f"{method} of {type(estimator).__name__} does not look at each row alone"):
        train(TrainingJob(dataset, [0], recipe, estimator, f"{Path(dataset.uri).parent}/model"))


@pytest.mark.parametrize(
    "estimator",
    [KNeighborsClassifier(weights="distance"), SVC(), MLPClassifier(max_iter=20), GaussianProcessClassifier()],
)
def test_the_noise_of_honest_estimators_is_none(dataset: PartitionedDataset, estimator: Any) -> None:
    recipe = Recipe(target=above_zero, keys=["id"], columns=NAMES)
    some = PartitionedDataset(f"{Path(dataset.uri).parent}/some_{{p}}.parquet")
    pq.write_table(pq.read_table(dataset.uri.format(p=0)).slice(0, 150), some.uri.format(p=0))
    assert train(
        TrainingJob(some, [0], recipe, estimator, f"{Path(dataset.uri).parent}/honest")
    ).manifest.signature.outputs
