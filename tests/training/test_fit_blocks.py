"""Training on more rows than fit into memory: by blocks, and on a cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge, SGDClassifier
from support import good_rows, write_csv
from training_jobs import RECIPE, train_on

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.errors import InputError, ModelError, RecipeError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.functions import import_path
from airflow_batchscore.training import fit_blocks
from airflow_batchscore.training.fit_blocks import BlockRows, is_distributed
from airflow_batchscore.training.inputs import look_at_columns
from airflow_batchscore.training.rows import blocks_of

pytestmark = pytest.mark.unit


def test_blocks_are_fitted_one_after_the_other_and_each_is_read_when_it_is_due(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_blocks, "_BLOCK_ROWS", 100)
    seen: list[int] = []
    events: list[str] = []
    read = fit_blocks.read_block

    def reading(*arguments: Any) -> Any:
        events.append("read")
        return read(*arguments)

    monkeypatch.setattr(fit_blocks, "read_block", reading)

    class Watched(SGDClassifier):
        def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:  # noqa: N803
            seen.append(len(X))
            events.append("fit")
            return super().partial_fit(X, y, classes)

    Watched.__qualname__ = "Watched"  # skops finds classes by their name
    monkeypatch.setattr(sys.modules[__name__], "Watched", Watched, raising=False)
    trained = train_on(folder, Watched(random_state=0), incremental=True, holdout=0.25, flavor="skops")
    assert len(seen) == 12
    # No more than one block waits for the one that is fitted.
    first_pass = events.count("read") - len(seen)
    assert events[:first_pass] == ["read"] * first_pass
    assert np.cumsum([1 if event == "read" else -1 for event in events[first_pass:]]).max() <= 2
    assert sum(seen) == trained.manifest.training.rows_trained
    assert max(seen) < 120
    assert 800 < trained.manifest.training.rows_trained < 1000
    assert trained.manifest.training.rows_read == 1200
    assert trained.manifest.metrics_on == "held-out 25% of the rows"
    assert trained.manifest.metrics["accuracy"] > 0.8
    assert trained.manifest.signature.features == ("a", "b")


def test_a_quoted_line_end_is_refused_unless_fields_may_hold_some(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_blocks, "_BLOCK_ROWS", 20)
    rows = [(*row, '"two\nlines"') for row in good_rows(200)]
    write_csv(folder / "part_0.csv", rows, header=("id", "a", "b", "label", "note"))
    options = {"incremental": True, "recipe": Recipe(target="label"), "holdout": None}
    with pytest.raises(InputError, match=r"part_0.csv, row 0: .*quoted field.*\"newlines_in_values\": True"):
        train_on(folder, SGDClassifier(random_state=0), 0, **options)
    joined = PartitionedDataset(f"{folder}/part_{{p}}.csv", read_options={"newlines_in_values": True})
    trained = train_on(folder, SGDClassifier(random_state=0), 0, dataset=joined, **options)
    assert trained.manifest.training.rows_trained == 200
    assert trained.manifest.metrics_on == "the first block of the training rows"


def test_regressors_and_clusters_can_be_fitted_by_blocks(folder: Path) -> None:
    regressor = train_on(folder, "sklearn.linear_model:SGDRegressor", incremental=True)
    assert regressor.manifest.metrics_on == "held-out p=3"
    clusters = train_on(folder, "sklearn.cluster:MiniBatchKMeans", incremental=True, recipe=Recipe(columns=["a", "b"]))
    assert set(clusters.manifest.signature.outputs) == {"predict", "transform"}


@pytest.mark.slow
def test_xgboost_trains_on_the_cluster_and_scores_without_it(folder: Path, client: Any) -> None:
    from xgboost import dask as distributed

    options = {"n_estimators": 200, "learning_rate": 0.3, "tree_method": "hist", "early_stopping_rounds": 5}
    trained = train_on(folder, distributed.DaskXGBRegressor(**options), client=client, metrics=["rmse"])
    assert trained.manifest.flavor == "xgboost"
    assert trained.manifest.training.watched_for_early_stopping == ["p=2"]
    assert trained.manifest.training.rows_trained == 800
    assert trained.manifest.metrics["rmse"] < 0.3
    estimator = artifact.load(trained.ref).estimator
    assert type(estimator).__name__ == "XGBRegressor"
    assert estimator.best_iteration < 199
    with pytest.raises(ModelError, match="early stopping watches partitions that are not trained on, and p=0 is all"):
        train_on(folder, distributed.DaskXGBRegressor(**options), 0, client=client)


@pytest.mark.slow
def test_lightgbm_trains_on_the_cluster_and_scores_without_it(folder: Path, client: Any) -> None:
    import lightgbm

    trained = train_on(folder, lightgbm.DaskLGBMClassifier(n_estimators=20, verbose=-1), client=client)
    assert trained.manifest.flavor == "lightgbm"
    assert trained.manifest.training.rows_trained == 1200
    assert trained.manifest.metrics["accuracy"] > 0.95
    assert list(trained.manifest.signature.outputs["predict_proba"]) == ["prediction_0", "prediction_1"]


def test_rows_without_a_label_everywhere_are_nothing_to_train_on(folder: Path) -> None:
    write_csv(folder / "part_0.csv", [(1, 1, 1, "")])
    with pytest.raises(InputError, match="p=0: no rows to train on, or all 1 were skipped or have no label"):
        train_on(folder, SGDClassifier(), 0, incremental=True)


@pytest.mark.parametrize(
    ("estimator", "options", "error", "message"),
    [
        (Ridge(), {}, ModelError, "Ridge has no partial_fit, which incremental=True needs; SGDClassifier"),
        (
            SGDClassifier(),
            {"recipe": Recipe(target="label", columns=["a", "b"], row_wise=False)},
            RecipeError,
            "row_wise=False: a recipe over whole partitions does not go with training by blocks",
        ),
        (
            SGDClassifier(loss="nope"),
            {},
            ModelError,
            "SGDClassifier could not be fitted on 1200 rows of p=0, p=1, p=2, block by block: InvalidParameterError",
        ),
    ],
)
def test_training_by_blocks_that_cannot_be_is_refused(
    folder: Path, estimator: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train_on(folder, estimator, incremental=True, **options)
    assert not (folder / "model").exists()


@pytest.fixture
def rows(folder: Path) -> tuple[BlockRows, Block]:
    """The one block of partition 0, of which a quarter is held out."""
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv")
    partitions = [dataset.pin(partition) for partition in dataset.require([0])]
    source = look_at_columns(dataset, RECIPE, partitions)[1]
    ((_, block),) = blocks_of(dataset, partitions, 1000, list(source.types))
    return BlockRows(source, 0.25), block


def test_the_same_rows_of_a_block_are_held_out_each_time(rows: tuple[BlockRows, Block]) -> None:
    reader, block = rows
    (fit, test), (again, tested) = reader.both("p=0", block), reader.both("p=0", block)
    assert len(fit.features) + len(test.features) == 400
    assert 60 < len(test.features) < 140
    assert not set(fit.features.index) & set(test.features.index)
    assert fit.features.equals(again.features)
    assert test.labels is not None
    assert test.labels.equals(tested.labels)


def test_a_glimpse_keeps_few_rows_and_each_class_once(rows: tuple[BlockRows, Block]) -> None:
    reader, block = rows
    seen = reader.glimpse("p=0", block, 5, classes=True)
    assert (seen.read, len(seen.sample)) == (400, 5)
    assert seen.labels is not None
    assert sorted(seen.labels) == [0, 1]
    assert seen.trained + len(seen.test.features) == 400
    regression = reader.glimpse("p=0", block, 5, classes=False)
    assert regression.labels is not None
    assert (len(regression.labels), regression.labels.dtype) == (0, "int64")


@pytest.mark.parametrize(
    ("path", "expected"),
    [("xgboost.dask:DaskXGBRegressor", True), ("lightgbm:DaskLGBMClassifier", True), ("lightgbm:LGBMRegressor", False)],
)
def test_estimators_that_train_on_a_cluster_are_known_by_their_module(path: str, expected: bool) -> None:
    assert is_distributed(import_path(path)()) is expected
