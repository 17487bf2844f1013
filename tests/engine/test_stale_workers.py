"""A cluster's worker that lives longer than a version of the code: it never works with old code for a new task."""

from __future__ import annotations

import importlib
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import distributed
import pyarrow as pa
import pytest
from support import Small, good_rows, scores, small

from airflow_batchscore import DaskCluster
from airflow_batchscore.errors import EngineError, ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.job import FunctionJob
from airflow_batchscore.spark.frames import FrameJob
from airflow_batchscore.training.train import TrainingJob, train
from airflow_batchscore.training.train_many import train_many

pytestmark = [pytest.mark.unit, pytest.mark.slow]

SOURCE = """
import pickle
from sklearn.linear_model import LogisticRegression
from airflow_batchscore.model.flavors import Flavor

FACTOR = 1

def features(rows): return rows[["a", "b"]] * FACTOR
def target(rows): return rows["label"] * FACTOR
def function(rows): return rows[["a"]] * FACTOR

class Mine(LogisticRegression):
    def fit(self, X, y):
        self.factor_ = FACTOR
        return super().fit(X, y)
    def predict(self, X): return super().predict(X) * FACTOR

class Pickled(Flavor):
    name, suffix = "pickled", "pickle"
    def dump(self, estimator, features): return pickle.dumps([estimator, FACTOR])
    def load(self, data, trusted_types): return pickle.loads(data)[0]
"""
REGRESSION = "sklearn.linear_model:LogisticRegression"


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where modules lie that the cluster's worker finds, too."""
    folder = tmp_path_factory.mktemp("code")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        # Bytecode of the same second and size would count as current: neither here nor in a (re)started worker.
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        yield folder


@pytest.fixture(scope="module")
def client(code: Path) -> Iterator[distributed.Client]:
    quiet = {"dashboard_address": None, "scheduler_kwargs": {"dashboard": False}}
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, host="127.0.0.1", **quiet) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def deploy(code: Path, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Deploys the module of a test, and starts a task anew that has loaded it; the worker keeps what it has."""
    name = f"stale_{abs(hash(request.node.name))}"

    def deploy(*change: str) -> str:
        (code / f"{name}.py").write_text(SOURCE.replace(*change) if change else SOURCE)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        artifact._loaded.clear()
        return name

    return deploy


def _engine(client: distributed.Client) -> DaskCluster:
    return DaskCluster(address=client.cluster.scheduler_address)


def _trained(folder: Path, name: str, **options: Any) -> Small:
    data = small(folder)
    made = {"estimator": REGRESSION, "recipe": data.recipe, **options}
    data.model = train(TrainingJob(data.dataset, [0], model_uri=f"{folder}/made", **made)).ref
    data.add(1, good_rows(60, 1000))
    return data


def _of_features(folder: Path, name: str) -> Small:
    return small_with(folder, features=f"{name}:features")


def small_with(folder: Path, **recipe: Any) -> Small:
    data = small(folder, **recipe)
    data.add(1, good_rows(60, 1000))
    return data


SCORED: dict[str, tuple[str, Callable[[Path, str], Small]]] = {
    "features": ("features", _of_features),
    "estimator": ("Mine", lambda folder, name: _trained(folder, name, estimator=f"{name}:Mine")),
    "flavour": ("Pickled", lambda folder, name: _trained(folder, name, flavor=f"{name}:Pickled")),
}


@pytest.mark.parametrize("kind", SCORED)
def test_a_model_is_not_scored_with_a_workers_old_code(
    kind: str, tmp_path: Path, client: distributed.Client, deploy: Callable[..., str]
) -> None:
    used, make = SCORED[kind]
    name = deploy()
    data = make(tmp_path, name)
    ((first, _),) = data.score(1, engine=_engine(client))
    deploy("FACTOR = 1", "FACTOR = 3")
    with pytest.raises(EngineError, match=rf"partition p=1.*{platform.node()} has other code of {name}:{used} than"):
        data.score(1, engine=_engine(client))
    # Here everything is as it should be: there are two results, the old one under its own identity.
    ((second, reused),) = data.score(1)
    assert not reused
    assert second.folder != first.folder
    deploy()
    assert data.score(1, engine=_engine(client))[0][1], "the old code again: its scores are used again"


def test_groups_are_not_worked_on_with_a_workers_old_code(
    tmp_path: Path, client: distributed.Client, deploy: Callable[..., str]
) -> None:
    data, name = small_with(tmp_path), deploy()
    given = {"limit": Limit(1000), "scored_with": FunctionJob(FunctionRef(f"{name}:function"), ("b",))}
    data.score(1, engine=_engine(client), **given)
    deploy("FACTOR = 1", "FACTOR = 3")
    with pytest.raises(EngineError, match=rf"other code of {name}:function than the task"):
        data.score(1, engine=_engine(client), **given)


def test_rows_from_spark_are_not_scored_with_an_executors_old_code(tmp_path: Path, deploy: Callable[..., str]) -> None:
    name = deploy()
    data = _of_features(tmp_path, name)
    deploy("FACTOR = 1", "FACTOR = 3")
    job = FrameJob.of(data.model.uri, OutputSpec.of("predict"), ["id"], Limit(0), allow_nan=False)
    table = pa.table({"id": [1], "a": [1.0], "b": [2.0]})
    assert [scored.scored for _, scored in job.score([table])] == [1]
    deploy()  # this process now stands for an executor
    with pytest.raises(EngineError, match=rf"other code of {name}:features than the task"):
        next(job.score([table]))


def test_a_model_that_runs_code_which_the_task_knows_nothing_of_is_refused(
    tmp_path: Path, deploy: Callable[..., str]
) -> None:
    data = _of_features(tmp_path, deploy())
    with pytest.raises(ModelError, match=r"runs \w+:features, which the other models of this run do not"):
        artifact.load(data.model, code=())


def test_a_restarted_worker_has_the_new_code(
    tmp_path: Path, client: distributed.Client, deploy: Callable[..., str]
) -> None:
    job = {"keys": ("id",), "limit": Limit(0)}
    data = small_with(tmp_path)
    name = deploy()
    given = {**job, "scored_with": FunctionJob(FunctionRef(f"{name}:function"))}
    ((first, _),) = data.score(1, engine=_engine(client), **given)
    deploy("FACTOR = 1", "FACTOR = 3")
    with pytest.raises(EngineError, match=rf"other code of {name}:function than the task"):
        data.score(1, engine=_engine(client), **given)
    client.restart()
    ((second, _),) = data.score(1, engine=_engine(client), **given)
    assert (scores(second)["a"] == scores(first)["a"] * 3).all()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"features": "features"}, r"the recipe \(\w+:features\)"),
        ({"target": "target"}, r"the recipe \(\w+:target\)"),
        ({"estimator": "Mine"}, "the estimator"),
        ({"flavor": "Pickled"}, "the flavour"),
    ],
    ids=["features", "target", "estimator", "flavour"],
)
def test_many_models_are_not_trained_with_a_workers_old_code(
    options: dict[str, str], named: str, tmp_path: Path, client: distributed.Client, deploy: Callable[..., str]
) -> None:
    name = deploy()
    paths = {what: f"{name}:{where}" for what, where in options.items()}
    data = small(tmp_path)
    given: dict[str, Any] = {"target": "label", "keys": ["id"], "columns": ["a", "b"]}
    given |= {what: paths.pop(what) for what in ("features", "target") if what in paths}
    recipe = type(data.recipe)(**given)
    job = TrainingJob(
        data.dataset, [0], recipe, **{"estimator": REGRESSION, **paths}, model_uri=f"{tmp_path}/many/{{p}}"
    )
    with _engine(client).session() as session:
        assert train_many(job, session.run).trained == 1
        deploy("FACTOR = 1", "FACTOR = 3")
        with pytest.raises(EngineError, match=rf"has other code of {named} than the task"):
            train_many(job, session.run)


def test_a_search_on_the_cluster_does_not_fit_old_code(
    tmp_path: Path, client: distributed.Client, deploy: Callable[..., str]
) -> None:
    from sklearn.model_selection import GridSearchCV

    name, data = deploy(), small(tmp_path)

    def search() -> Any:
        mine = importlib.import_module(name).Mine
        job = TrainingJob(data.dataset, [0], data.recipe, GridSearchCV(mine(), {"C": [0.1, 1]}, cv=2), f"{tmp_path}/s")
        return train(job, client)

    assert not search().reused
    deploy("FACTOR = 1", "FACTOR = 3")
    with pytest.raises((EngineError, ModelError), match=rf"has other code of {name}:Mine than the task"):
        search()


def test_blocks_of_training_are_not_read_with_old_code(
    tmp_path: Path, client: distributed.Client, deploy: Callable[..., str]
) -> None:
    name = deploy()
    data = small_with(tmp_path, features=f"{name}:features")
    job = TrainingJob(data.dataset, [0], data.recipe, "xgboost.dask:DaskXGBRegressor", f"{tmp_path}/x")
    train(job, client)
    deploy("FACTOR = 1", "FACTOR = 3")
    with pytest.raises(EngineError, match=rf"has other code of {name}:features than the task"):
        train(job, client)
