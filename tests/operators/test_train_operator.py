"""Which version `TrainOperator` makes or uses again, where its alias points, and what it asks of its engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from operator_calls import dag, executed
from support import NUMBERED, good_rows, write_csv

from airflow_batchscore import DaskCluster, PartitionedDataset, Recipe, Spark
from airflow_batchscore.errors import ModelMissingError
from airflow_batchscore.model.reference import resolve
from airflow_batchscore.operators import TrainOperator
from airflow_batchscore.operators.seal import unseal

pytestmark = pytest.mark.dag


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    return tmp_path


def _train(folder: Path, model_uri: str = "model", run_id: str = "r", **options: Any) -> Any:
    with dag():
        operator = TrainOperator(
            task_id="train",
            dataset=PartitionedDataset(f"{folder}/part_{{p}}.csv", read_options=NUMBERED),
            partitions=[0],
            recipe=Recipe(target="label", keys=["id"], columns=["a", "b"]),
            model_uri=f"{folder}/{model_uri}",
            **{"estimator": "sklearn.linear_model:LinearRegression", **options},
        )
    return executed(operator, run_id)


def test_the_same_inputs_have_one_version_and_a_damaged_one_is_replaced(folder: Path) -> None:
    first = _train(folder)
    assert not first["reused"]
    assert _train(folder, run_id="other")["reused"]
    (estimator,) = Path(first["model"]).glob("model-*.joblib")
    estimator.write_bytes(estimator.read_bytes()[:-1])
    assert _train(folder)["version"] == f"{first['version']}-2"


def test_retrain_makes_one_version_more_in_each_run(folder: Path) -> None:
    first = _train(folder)["version"]
    versions = [_train(folder, run_id=run, retrain="True")["version"] for run in ("a", "a", "b")]
    assert versions == [f"{first}-2", f"{first}-2", f"{first}-3"]
    assert _train(folder, retrain="False")["version"] == f"{first}-3"
    with pytest.raises(AirflowFailException, match="'perhaps' is neither true nor false"):
        _train(folder, retrain="perhaps")


def test_the_alias_points_at_the_version_of_the_last_training(folder: Path) -> None:
    _train(folder)
    with pytest.raises(ModelMissingError):
        resolve(f"{folder}/model@champion")
    for options in ({}, {"retrain": True}):
        trained = _train(folder, alias="champion", **options)
        assert resolve(f"{folder}/model@champion").version == trained["version"]


def test_what_it_returns_is_sealed_and_names_what_was_trained(folder: Path) -> None:
    value = unseal("model", _train(folder, metrics=["rmse"]), "model", "d/r", {"train"})
    ref = resolve(f"{folder}/model/{value['version']}")
    assert (value["model"], value["digest"]) == (ref.uri, ref.digest)
    assert (value["rows_read"], value["rows_trained"]) == (200, 200)
    assert list(value["metrics"]) == ["rmse"]


def test_many_models_are_counted_and_named_by_their_alias(folder: Path) -> None:
    many = _train(folder, "models/{b}", alias="champion")
    assert (many["model"], many["trained"], many["failed"]) == (f"{folder}/models/{{b}}@champion", 7, 0)
    again = _train(folder, "models/{b}")
    assert (again["model"], again["trained"], again["reused"]) == (f"{folder}/models/{{b}}", 0, 7)
    with pytest.raises(AirflowFailException, match="max_failed='few': give a whole number"):
        _train(folder, "models/{b}", max_failed="few")


def test_a_model_of_trees_is_compiled_where_that_is_asked_for(folder: Path) -> None:
    options = {"estimator": "sklearn.ensemble:HistGradientBoostingClassifier"}
    assert resolve(_train(folder, **options)["model"]).compiled is None
    fast = resolve(_train(folder, accelerate="auto", **options)["model"])
    assert str(fast.compiled).startswith("onedal:")
    assert resolve(_train(folder, accelerate="auto")["model"]).compiled is None  # a linear model
    with pytest.raises(AirflowFailException, match="accelerate=True: LinearRegression is not compiled"):
        _train(folder, "other", accelerate=True)


def test_an_engine_that_cannot_train_is_refused(folder: Path) -> None:
    with pytest.raises(AirflowFailException, match=r"engine=Spark\(master='yarn'.*training spreads over Dask; give"):
        _train(folder, engine=Spark(master="yarn"))
    assert not (folder / "model").exists()


def test_the_signing_key_leaves_for_no_cluster(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__SIGNING_CONN_ID", "signing")
    monkeypatch.setenv("AIRFLOW_CONN_SIGNING", '{"conn_type": "generic", "password": "the key"}')
    for engine in (DaskCluster(address="tcp://127.0.0.1:1"), Spark(master="yarn")):
        with pytest.raises(AirflowFailException, match=r"the key stays here: LocalDask\(\)"):
            _train(folder, "models/{b}", engine=engine)
    assert not (folder / "models").exists()
    assert _train(folder, "models/{b}")["trained"] == 7
    assert list(folder.glob("models/1/*/*.hmac"))
