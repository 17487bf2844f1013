"""Training that fits the data: samples, blocks, a cluster, a search; and labels that cannot be learned from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from support import write_csv
from training_jobs import train_on

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact

pytestmark = pytest.mark.unit


def test_a_learning_curve_says_how_many_rows_are_enough(folder: Path) -> None:
    trained = train_on(folder, LinearRegression(), learning_curve=True, metrics=["rmse", "r2"])
    curve = trained.manifest.training.learning_curve
    assert curve.metric == "rmse"
    assert [point.rows for point in curve.points] == [60, 120, 240, 480, 840, 1200]
    whole = curve.points[-1].score
    assert whole == pytest.approx(trained.manifest.metrics["rmse"])
    enough = next(point.score for point in curve.points if point.rows == curve.enough)
    assert enough <= whole * 1.01
    assert all(point.score > whole * 1.01 for point in curve.points if point.rows < curve.enough)
    assert artifact.load(trained.ref).estimator.coef_.tolist() == pytest.approx(
        artifact.load(train_on(folder, LinearRegression(), model_uri=f"{folder}/plain").ref).estimator.coef_.tolist()
    )


def test_a_learning_curve_needs_rows_to_measure_on(folder: Path) -> None:
    with pytest.raises(ModelError, match="learning_curve measures on rows that are not trained on: give holdout="):
        train_on(folder, LinearRegression(), learning_curve=True, holdout=None)
    with pytest.raises(ModelError, match="there is no metric for PCA; name one in metrics="):
        train_on(folder, "sklearn.decomposition:PCA", learning_curve=True)


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        (SGDClassifier(), {"incremental": True, "learning_curve": True}, "learning_curve fits on samples that are in"),
        ("xgboost.dask:DaskXGBRegressor", {}, "DaskXGBRegressor trains on a Dask cluster: give TrainOperator.engine="),
    ],
)
def test_training_that_cannot_be_is_refused(folder: Path, estimator: Any, options: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        train_on(folder, estimator, **options)
    assert not (folder / "model").exists()


@pytest.mark.slow
def test_a_search_runs_on_the_cluster_and_leaves_what_it_found(folder: Path, client: Any) -> None:
    search = GridSearchCV(LogisticRegression(), {"C": [0.001, 0.1, 10.0]}, cv=3)
    trained = train_on(folder, search, client=client)
    found = trained.manifest.training.search
    assert found.candidates[0].params["C"] == found.best["C"]
    assert sorted(one.params["C"] for one in found.candidates) == ["0.001", "0.1", "10.0"]
    assert type(artifact.load(trained.ref).estimator) is LogisticRegression
    alone = train_on(folder, search, model_uri=f"{folder}/alone")
    assert alone.manifest.training.search.best == found.best
    assert alone.manifest.metrics == trained.manifest.metrics


def test_labels_of_one_class_are_said_before_the_estimator_does(folder: Path) -> None:
    write_csv(folder / "part_0.csv", [(n, n, n, 1) for n in range(9)])
    for estimator in (LogisticRegression(), "sklearn.tree:DecisionTreeClassifier"):
        with pytest.raises(ModelError, match="all 9 labels of p=0 are 1: there is nothing to tell apart"):
            train_on(folder, estimator, 0)
    with pytest.raises(ModelError, match="labels of p=0 are 1: there is nothing to tell apart"):
        train_on(folder, SGDClassifier(), 0, incremental=True)


def test_a_class_that_training_lacks_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_csv(folder / "part_3.csv", [(n, n % 5, n % 7, n % 4) for n in range(60)])
    with caplog.at_level(logging.WARNING):
        trained = train_on(folder, LogisticRegression())
    assert "the held-out rows have the classes 2, 3, which no training row has" in caplog.text
    assert list(trained.manifest.signature.outputs["predict_proba"]) == ["prediction_0", "prediction_1"]


@pytest.mark.slow
def test_a_forest_trained_on_the_cluster_is_the_one_trained_alone(folder: Path, client: Any) -> None:
    forest = RandomForestRegressor(n_estimators=5, random_state=0, n_jobs=2)
    spread = artifact.load(train_on(folder, forest, client=client).ref).estimator
    alone = artifact.load(train_on(folder, forest, model_uri=f"{folder}/alone").ref).estimator
    rows = pd.DataFrame({"a": [0.5, 3.0], "b": [2.0, 1.0]})
    assert spread.predict(rows).tolist() == alone.predict(rows).tolist()
