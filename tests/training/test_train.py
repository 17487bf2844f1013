from __future__ import annotations

from pathlib import Path
from typing import Any

import favourite
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from support import Wta, good_rows, write_csv

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

pytestmark = pytest.mark.unit


def _train(folder: Path, recipe: Recipe | None = None, partitions: Any = 0, **options: Any) -> TrainedModel:
    job = {
        "dataset": PartitionedDataset(f"{folder}/part_{{p}}.csv"),
        "partitions": partitions,
        "recipe": recipe or Recipe(target="label", keys=["id"], columns=["a", "b"]),
        "estimator": "sklearn.linear_model:LogisticRegression",
        "model_uri": f"{folder}/model",
        **options,
    }
    return train(TrainingJob(**job))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    write_csv(tmp_path / "part_1.csv", good_rows(100, 7))
    return tmp_path


def test_trains_on_the_named_year_only_and_equals_plain_scikit_learn(wta: Wta, tmp_path: Path) -> None:
    dataset = PartitionedDataset(wta.uri)
    job = TrainingJob(dataset, 2015, favourite.RECIPE, "sklearn.linear_model:LogisticRegression", f"{tmp_path}/model")
    trained = train(job)
    expected, rows = favourite.plain_model(wta.folder)
    estimator = artifact.load(trained.ref).estimator
    assert (estimator.coef_, estimator.intercept_) == (expected.coef_, expected.intercept_)
    assert trained.manifest.training.rows_trained == rows
    if wta.real:
        assert (trained.manifest.training.rows_read, rows) == (2651, 2620)


def test_the_same_inputs_give_the_version_that_is_there(folder: Path) -> None:
    first = _train(folder)
    assert not first.reused
    again = _train(folder)
    assert again.reused
    assert again.ref == first.ref


@pytest.mark.parametrize(
    "change",
    [
        {"partitions": [0, 1]},
        {"estimator": LogisticRegression(C=0.5)},
        {"holdout": 0.3},
        {"recipe": Recipe(target="label", keys=["id"], columns=["a"])},
    ],
)
def test_other_inputs_give_another_version_beside_it(folder: Path, change: dict[str, Any]) -> None:
    assert _train(folder).ref.uri != _train(folder, **change).ref.uri


@pytest.mark.parametrize("options", [{"null_values": ["unknown"]}, {"column_types": {"b": "float64"}}])
def test_the_same_bytes_read_otherwise_give_another_version(folder: Path, options: dict[str, Any]) -> None:
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv", read_options=options)
    assert _train(folder).ref.uri != _train(folder, dataset=dataset).ref.uri


def test_changed_data_gives_another_version(folder: Path) -> None:
    first = _train(folder)
    write_csv(folder / "part_0.csv", good_rows(201))
    assert _train(folder).ref != first.ref


@pytest.mark.parametrize(
    "estimator", [LogisticRegression(), LogisticRegression, "sklearn.linear_model:LogisticRegression"]
)
def test_takes_an_estimator_a_class_or_a_path(folder: Path, estimator: Any) -> None:
    assert _train(folder, estimator=estimator).manifest.estimator == "LogisticRegression()"


def test_a_holdout_is_measured_on_rows_that_were_not_trained_on(folder: Path) -> None:
    share = _train(folder, holdout="0.25")
    assert share.manifest.metrics_on == "held-out 25% of the rows"
    assert share.manifest.training.rows_trained == 150
    year = _train(folder, holdout=[1], metrics=["accuracy", "roc_auc"])
    assert year.manifest.metrics_on == "held-out p=1"
    assert year.manifest.training.rows_trained == 200
    assert set(year.manifest.metrics) == {"accuracy", "roc_auc"}


def test_a_partition_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"no file for partition p=9 \(.*part_9.csv\)"):
        _train(folder, partitions=9)


def test_an_estimator_that_fails_is_named(folder: Path) -> None:
    write_csv(folder / "part_0.csv", [(n, n, n, 1) for n in range(9)])
    with pytest.raises(ModelError, match="all 9 labels of p=0 are 1: there is nothing to tell apart"):
        _train(folder)
    with pytest.raises(ModelError, match="LogisticRegression could not be fitted on 9 rows of p=0: .*NaN"):
        write_csv(folder / "part_0.csv", [(n, "" if n == 4 else n, n, n % 2) for n in range(9)])
        _train(folder)
    with pytest.raises(ModelError, match="the estimator factory builtins:int failed|has no fit"):
        _train(folder, estimator="builtins:int")
    with pytest.raises(ModelError, match="factory flavored_models:broken failed: RuntimeError: the weights are on"):
        _train(folder, estimator="flavored_models:broken")
    assert not list(folder.glob("model/*/model.json"))


def test_an_estimator_that_cannot_be_serialised_leaves_nothing(folder: Path) -> None:
    unpicklable = make_pipeline(FunctionTransformer(lambda rows: rows), LogisticRegression())
    with pytest.raises(ModelError, match="cannot be serialised"):
        _train(folder, estimator=unpicklable)
    assert not list(folder.glob("model/**/*.json"))
