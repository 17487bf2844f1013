"""Training that fits the data: samples, blocks, a cluster, a search; and labels that cannot be learned from."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from support import good_rows, write_csv

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

pytestmark = pytest.mark.unit

RECIPE = Recipe(target="label", keys=["id"], columns=["a", "b"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for partition in range(4):
        write_csv(tmp_path / f"part_{partition}.csv", good_rows(400, 400 * partition))
    return tmp_path


def _train(folder: Path, estimator: Any, partitions: Any = "0..2", client: Any = None, **options: Any) -> TrainedModel:
    dataset = options.pop("dataset", PartitionedDataset(f"{folder}/part_{{p}}.csv"))
    job = {"recipe": RECIPE, "model_uri": f"{folder}/model", "holdout": [3], **options}
    return train(TrainingJob(dataset, partitions, estimator=estimator, **job), client)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with LocalDask(workers=2).client() as client:
        yield client


def test_a_learning_curve_says_how_many_rows_are_enough(folder: Path) -> None:
    trained = _train(folder, LinearRegression(), learning_curve=True, metrics=["rmse", "r2"])
    curve = trained.manifest.training.learning_curve
    assert curve.metric == "rmse"
    assert [point.rows for point in curve.points] == [60, 120, 240, 480, 840, 1200]
    whole = curve.points[-1].score
    assert whole == pytest.approx(trained.manifest.metrics["rmse"])
    enough = next(point.score for point in curve.points if point.rows == curve.enough)
    assert enough <= whole * 1.01
    assert all(point.score > whole * 1.01 for point in curve.points if point.rows < curve.enough)
    assert artifact.load(trained.ref).estimator.coef_.tolist() == pytest.approx(
        artifact.load(_train(folder, LinearRegression(), model_uri=f"{folder}/plain").ref).estimator.coef_.tolist()
    )


def test_a_learning_curve_needs_rows_to_measure_on(folder: Path) -> None:
    with pytest.raises(ModelError, match="learning_curve measures on rows that are not trained on: give holdout="):
        _train(folder, LinearRegression(), learning_curve=True, holdout=None)
    with pytest.raises(ModelError, match="there is no metric for PCA; name one in metrics="):
        _train(folder, "sklearn.decomposition:PCA", learning_curve=True)


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        (SGDClassifier(), {"incremental": True, "learning_curve": True}, "learning_curve fits on samples that are in"),
        ("xgboost.dask:DaskXGBRegressor", {}, "DaskXGBRegressor trains on a Dask cluster: give TrainOperator.engine="),
    ],
)
def test_training_that_cannot_be_is_refused(folder: Path, estimator: Any, options: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        _train(folder, estimator, **options)
    assert not (folder / "model").exists()


@pytest.mark.slow
def test_a_search_runs_on_the_cluster_and_leaves_what_it_found(folder: Path, client: Any) -> None:
    search = GridSearchCV(LogisticRegression(), {"C": [0.001, 0.1, 10.0]}, cv=3)
    trained = _train(folder, search, client=client)
    found = trained.manifest.training.search
    assert found.candidates[0].params["C"] == found.best["C"]
    assert sorted(one.params["C"] for one in found.candidates) == ["0.001", "0.1", "10.0"]
    assert type(artifact.load(trained.ref).estimator) is LogisticRegression
    alone = _train(folder, search, model_uri=f"{folder}/alone")
    assert alone.manifest.training.search.best == found.best
    assert alone.manifest.metrics == trained.manifest.metrics


def test_labels_of_one_class_are_said_before_the_estimator_does(folder: Path) -> None:
    write_csv(folder / "part_0.csv", [(n, n, n, 1) for n in range(9)])
    for estimator in (LogisticRegression(), "sklearn.tree:DecisionTreeClassifier"):
        with pytest.raises(ModelError, match="all 9 labels of p=0 are 1: there is nothing to tell apart"):
            _train(folder, estimator, 0)
    with pytest.raises(ModelError, match="labels of p=0 are 1: there is nothing to tell apart"):
        _train(folder, SGDClassifier(), 0, incremental=True)


def test_a_class_that_training_lacks_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_csv(folder / "part_3.csv", [(n, n % 5, n % 7, n % 4) for n in range(60)])
    with caplog.at_level(logging.WARNING):
        trained = _train(folder, LogisticRegression())
    assert "the held-out rows have the classes 2, 3, which no training row has" in caplog.text
    assert list(trained.manifest.signature.outputs["predict_proba"]) == ["prediction_0", "prediction_1"]


@pytest.mark.slow
def test_a_forest_trained_on_the_cluster_is_the_one_trained_alone(folder: Path, client: Any) -> None:
    forest = RandomForestRegressor(n_estimators=5, random_state=0, n_jobs=2)
    spread = artifact.load(_train(folder, forest, client=client).ref).estimator
    alone = artifact.load(_train(folder, forest, model_uri=f"{folder}/alone").ref).estimator
    rows = pd.DataFrame({"a": [0.5, 3.0], "b": [2.0, 1.0]})
    assert spread.predict(rows).tolist() == alone.predict(rows).tolist()
