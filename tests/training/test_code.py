"""The name of a version follows the code and the parameters of what was trained, and nothing else."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from commands import run_command
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from support import ROOT, good_rows, write_csv

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model import functions
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

pytestmark = pytest.mark.unit

SOURCE = """
import pickle
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

K = 1

class Mine(LogisticRegression):
    def fit(self, X, y):
        self.k_ = [K for _ in range(2)]
        return super().fit(X, y)

class Option:
    def __init__(self): self.names = {"a", "b", "c"}
    def of(self): return K

class Holds(LogisticRegression):
    def __init__(self, option=None):
        super().__init__()
        self.option = option

def scaled(X): return X * K
def make(): return LogisticRegression(C=K)
def metric(estimator, X, y): return float((estimator.predict(X) == y).mean()) * K

from airflow_batchscore.model.flavors import Flavor

class Pickled(Flavor):
    name, suffix, libraries = "pickled", "pickle", ()
    def dump(self, estimator, features): return pickle.dumps([estimator, K])
    def load(self, data, trusted_types): return pickle.loads(data)[0]
"""
Deploy = Callable[..., ModuleType]


@pytest.fixture
def deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deploy]:
    """Deploys the module ``mine`` and loads it anew."""
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "code").mkdir()

    def deploy(*change: str) -> ModuleType:
        (tmp_path / "code" / "mine.py").write_text(SOURCE.replace(*change) if change else SOURCE)
        sys.modules.pop("mine", None)
        functions._unpickled.cache_clear()
        importlib.invalidate_caches()
        return importlib.import_module("mine")

    yield deploy
    sys.modules.pop("mine", None)


def _train(folder: Path, **options: Any) -> TrainedModel:
    if not (folder / "part_0.csv").exists():
        write_csv(folder / "part_0.csv", good_rows(60))
    recipe = Recipe(target="label", keys=["id"], columns=["a", "b"])
    job = {"estimator": LogisticRegression(), "recipe": recipe, "model_uri": f"{folder}/model", **options}
    return train(TrainingJob(PartitionedDataset(f"{folder}/part_{{p}}.csv"), [0], **job))


GIVEN: dict[str, Callable[[ModuleType], dict[str, Any]]] = {
    "an estimator": lambda mine: {"estimator": mine.Mine()},
    "a class": lambda mine: {"estimator": mine.Mine},
    "the path of a class": lambda mine: {"estimator": "mine:Mine"},
    "an estimator in a pipeline": lambda mine: {"estimator": make_pipeline(mine.Mine())},
    "a function in a pipeline": lambda mine: {
        "estimator": make_pipeline(FunctionTransformer(mine.scaled), LogisticRegression())
    },
    "an object as a parameter": lambda mine: {"estimator": mine.Holds(mine.Option())},
    "the path of a factory": lambda mine: {"estimator": "mine:make"},
    "a factory": lambda mine: {"estimator": mine.make},
    "a factory from elsewhere": lambda mine: {"estimator": lambda: mine.make()},
    "a metric": lambda mine: {"metrics": [mine.metric]},
    "a flavour": lambda mine: {"flavor": "mine:Pickled"},
}


@pytest.mark.parametrize("given", GIVEN)
def test_changed_code_makes_another_version(tmp_path: Path, deploy: Deploy, given: str) -> None:
    first = _train(tmp_path, **GIVEN[given](deploy()))
    again = _train(tmp_path, **GIVEN[given](deploy("K = 1", "K = 1  # the same")))
    assert again.reused
    assert again.ref == first.ref
    changed = _train(tmp_path, **GIVEN[given](deploy("K = 1", "K = 2")))
    assert not changed.reused
    assert changed.ref.version != first.ref.version


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (LogisticRegression(C=0.5), LogisticRegression(C=0.25)),
        (LogisticRegression(class_weight={0: 1, 1: 2}), LogisticRegression(class_weight={0: 2, 1: 1})),
        (Ridge(alpha=np.arange(2000.0)), Ridge(alpha=np.where(np.arange(2000) == 1000, 0, np.arange(2000.0)))),
        (LogisticRegression(max_iter=100), LogisticRegression(max_iter=np.int64(100))),
    ],
)
def test_each_parameter_counts_as_a_whole(first: Any, second: Any) -> None:
    from airflow_batchscore.training.code import describe

    assert describe(first, first) == describe(first, type(first)(**first.get_params()))
    assert describe(first, first) != describe(second, second)


@pytest.mark.slow
def test_a_version_has_the_same_name_in_every_process(tmp_path: Path, deploy: Deploy) -> None:
    mine = deploy()
    here = _train(tmp_path, estimator=mine.Holds(mine.Option()))
    script = (
        "import sys; sys.path.append('tests/training')\nfrom pathlib import Path\nimport mine, test_code as t\n"
        f"found = t._train(Path({str(tmp_path)!r}), estimator=mine.Holds(mine.Option()))\n"
        "print(found.ref.version, found.reused)"
    )
    path = f"{tmp_path / 'code'}:{ROOT}:{ROOT / 'tests'}:{ROOT / 'scripts'}"
    env = os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "7"}
    done = run_command([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env, cwd=ROOT)
    assert done.stdout.split() == [here.ref.version, "True"]


def test_a_parameter_that_cannot_be_told_apart_is_named(tmp_path: Path, deploy: Deploy) -> None:
    mine = deploy()

    class Connection:
        def __deepcopy__(self, memo: Any) -> Connection:
            return self

        def __reduce__(self) -> Any:
            raise TypeError("not today")

    with pytest.raises(RecipeError, match=r"estimator Holds uses option\['rows'\], a .*Connection that .*not today"):
        _train(tmp_path, estimator=mine.Holds({"rows": Connection()}))
