"""Training that fits the data: samples, blocks, a cluster, a search; and labels that cannot be learned from."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from support import good_rows, write_csv

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.model import artifact, fitting_blocks
from airflow_batchscore.model.training import TrainedModel, TrainingJob, train

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
    curve = trained.manifest.training["learning_curve"]
    assert curve["metric"] == "rmse"
    assert [point["rows"] for point in curve["points"]] == [60, 120, 240, 480, 840, 1200]
    whole = curve["points"][-1]["score"]
    assert whole == pytest.approx(trained.manifest.metrics["rmse"])
    enough = next(point["score"] for point in curve["points"] if point["rows"] == curve["enough"])
    assert enough <= whole * 1.01
    assert all(point["score"] > whole * 1.01 for point in curve["points"] if point["rows"] < curve["enough"])
    assert artifact.load(trained.ref).estimator.coef_.tolist() == pytest.approx(
        artifact.load(_train(folder, LinearRegression(), model_uri=f"{folder}/plain").ref).estimator.coef_.tolist()
    )


def test_a_learning_curve_needs_rows_to_measure_on(folder: Path) -> None:
    with pytest.raises(ModelError, match="learning_curve measures on rows that are not trained on: give holdout="):
        _train(folder, LinearRegression(), learning_curve=True, holdout=None)
    with pytest.raises(ModelError, match="there is no metric for PCA; name one in metrics="):
        _train(folder, "sklearn.decomposition:PCA", learning_curve=True)


def test_blocks_are_fitted_one_after_the_other_and_each_is_read_when_it_is_due(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting_blocks, "_BLOCK_ROWS", 100)
    seen: list[int] = []
    events: list[str] = []
    read = fitting_blocks.read_block

    def reading(*arguments: Any) -> Any:
        events.append("read")
        return read(*arguments)

    monkeypatch.setattr(fitting_blocks, "read_block", reading)

    class Watched(SGDClassifier):
        def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:  # noqa: N803
            seen.append(len(X))
            events.append("fit")
            return super().partial_fit(X, y, classes)

    Watched.__qualname__ = "Watched"  # skops finds classes by their name
    monkeypatch.setattr(sys.modules[__name__], "Watched", Watched, raising=False)
    trained = _train(folder, Watched(random_state=0), incremental=True, holdout=0.25, flavor="skops")
    assert len(seen) == 12
    # No more than one block waits for the one that is fitted.
    first_pass = events.count("read") - len(seen)
    assert events[:first_pass] == ["read"] * first_pass
    assert np.cumsum([1 if event == "read" else -1 for event in events[first_pass:]]).max() <= 2
    assert sum(seen) == trained.manifest.training["rows_trained"]
    assert max(seen) < 120
    assert 800 < trained.manifest.training["rows_trained"] < 1000
    assert trained.manifest.training["rows_read"] == 1200
    assert trained.manifest.metrics_on == "held-out 25% of the rows"
    assert trained.manifest.metrics["accuracy"] > 0.8
    assert trained.manifest.signature.features == ("a", "b")


def test_a_quoted_line_end_is_refused_unless_fields_may_hold_some(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting_blocks, "_BLOCK_ROWS", 20)
    rows = [(*row, '"two\nlines"') for row in good_rows(200)]
    write_csv(folder / "part_0.csv", rows, header=("id", "a", "b", "label", "note"))
    options = {"incremental": True, "recipe": Recipe(target="label"), "holdout": None}
    with pytest.raises(InputError, match=r"part_0.csv, row 0: .*quoted field.*\"newlines_in_values\": True"):
        _train(folder, SGDClassifier(random_state=0), 0, **options)
    joined = PartitionedDataset(f"{folder}/part_{{p}}.csv", read_options={"newlines_in_values": True})
    trained = _train(folder, SGDClassifier(random_state=0), 0, dataset=joined, **options)
    assert trained.manifest.training["rows_trained"] == 200
    assert trained.manifest.metrics_on == "the first block of the training rows"


def test_regressors_and_clusters_can_be_fitted_by_blocks(folder: Path) -> None:
    regressor = _train(folder, "sklearn.linear_model:SGDRegressor", incremental=True)
    assert regressor.manifest.metrics_on == "held-out p=3"
    clusters = _train(folder, "sklearn.cluster:MiniBatchKMeans", incremental=True, recipe=Recipe(columns=["a", "b"]))
    assert set(clusters.manifest.signature.outputs) == {"predict", "transform"}


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        (Ridge(), {"incremental": True}, "Ridge has no partial_fit, which incremental=True needs; SGDClassifier"),
        (SGDClassifier(), {"incremental": True, "learning_curve": True}, "learning_curve fits on samples that are in"),
        ("xgboost.dask:DaskXGBRegressor", {}, "DaskXGBRegressor trains on a Dask cluster: give TrainOperator.engine="),
    ],
)
def test_training_that_cannot_be_is_refused(folder: Path, estimator: Any, options: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        _train(folder, estimator, **options)
    assert not (folder / "model").exists()


def test_a_search_runs_on_the_cluster_and_leaves_what_it_found(folder: Path, client: Any) -> None:
    search = GridSearchCV(LogisticRegression(), {"C": [0.001, 0.1, 10.0]}, cv=3)
    trained = _train(folder, search, client=client)
    found = trained.manifest.training["search"]
    assert found["candidates"][0]["params"]["C"] == found["best"]["C"]
    assert sorted(one["params"]["C"] for one in found["candidates"]) == ["0.001", "0.1", "10.0"]
    assert type(artifact.load(trained.ref).estimator) is LogisticRegression
    alone = _train(folder, search, model_uri=f"{folder}/alone")
    assert alone.manifest.training["search"]["best"] == found["best"]
    assert alone.manifest.metrics == trained.manifest.metrics


def test_xgboost_trains_on_the_cluster_and_scores_without_it(folder: Path, client: Any) -> None:
    from xgboost import dask as distributed

    options = {"n_estimators": 200, "learning_rate": 0.3, "tree_method": "hist", "early_stopping_rounds": 5}
    trained = _train(folder, distributed.DaskXGBRegressor(**options), client=client, metrics=["rmse"])
    assert trained.manifest.flavor == "xgboost"
    assert trained.manifest.training["watched_for_early_stopping"] == ["p=2"]
    assert trained.manifest.training["rows_trained"] == 800
    assert trained.manifest.metrics["rmse"] < 0.3
    estimator = artifact.load(trained.ref).estimator
    assert type(estimator).__name__ == "XGBRegressor"
    assert estimator.best_iteration < 199
    with pytest.raises(ModelError, match="early stopping watches partitions that are not trained on, and p=0 is all"):
        _train(folder, distributed.DaskXGBRegressor(**options), 0, client=client)


def test_lightgbm_trains_on_the_cluster_and_scores_without_it(folder: Path, client: Any) -> None:
    import lightgbm

    trained = _train(folder, lightgbm.DaskLGBMClassifier(n_estimators=20, verbose=-1), client=client)
    assert trained.manifest.flavor == "lightgbm"
    assert trained.manifest.training["rows_trained"] == 1200
    assert trained.manifest.metrics["accuracy"] > 0.95
    assert list(trained.manifest.signature.outputs["predict_proba"]) == ["prediction_0", "prediction_1"]


def test_rmse_and_mae_are_in_the_unit_of_the_label(folder: Path) -> None:
    trained = _train(folder, LinearRegression(), metrics=["rmse", "mae"])
    raw = pd.read_csv(folder / "part_3.csv")
    missed = artifact.load(trained.ref).estimator.predict(raw[["a", "b"]].astype(float)) - raw["label"]
    assert trained.manifest.metrics == pytest.approx({"rmse": np.sqrt((missed**2).mean()), "mae": missed.abs().mean()})


def test_labels_of_one_class_are_said_before_the_estimator_does(folder: Path) -> None:
    write_csv(folder / "part_0.csv", [(n, n, n, 1) for n in range(9)])
    for estimator in (LogisticRegression(), "sklearn.tree:DecisionTreeClassifier"):
        with pytest.raises(ModelError, match="all 9 labels of p=0 are 1: there is nothing to tell apart"):
            _train(folder, estimator, 0)
    with pytest.raises(ModelError, match="labels of p=0 are 1: there is nothing to tell apart"):
        _train(folder, SGDClassifier(), 0, incremental=True)
    write_csv(folder / "part_3.csv", [(n, n, n, 1) for n in range(9)])
    with pytest.raises(ModelError, match="'roc_auc' is nan on 9 rows with the labels 1: it cannot be held to a limit"):
        _train(folder, LogisticRegression(), 1, metrics=["roc_auc"])


def test_a_class_that_training_lacks_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_csv(folder / "part_3.csv", [(n, n % 5, n % 7, n % 4) for n in range(60)])
    with caplog.at_level(logging.WARNING):
        trained = _train(folder, LogisticRegression())
    assert "the held-out rows have the classes 2, 3, which no training row has" in caplog.text
    assert list(trained.manifest.signature.outputs["predict_proba"]) == ["prediction_0", "prediction_1"]


def test_rows_without_a_label_everywhere_are_nothing_to_train_on(folder: Path) -> None:
    write_csv(folder / "part_0.csv", [(1, 1, 1, "")])
    with pytest.raises(InputError, match="p=0: no rows to train on, or all 1 were skipped or have no label"):
        _train(folder, SGDClassifier(), 0, incremental=True)


def test_a_forest_trained_on_the_cluster_is_the_one_trained_alone(folder: Path, client: Any) -> None:
    forest = RandomForestRegressor(n_estimators=5, random_state=0, n_jobs=2)
    spread = artifact.load(_train(folder, forest, client=client).ref).estimator
    alone = artifact.load(_train(folder, forest, model_uri=f"{folder}/alone").ref).estimator
    rows = pd.DataFrame({"a": [0.5, 3.0], "b": [2.0, 1.0]})
    assert spread.predict(rows).tolist() == alone.predict(rows).tolist()
