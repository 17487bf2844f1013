"""The user's code that a model runs when it scores."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from support import small
from xgboost import XGBRegressor

from airflow_batchscore.errors import EngineError, ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.model.flavors import flavor
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.model_code import changed_code, check_code, model_code, own_code, packages

pytestmark = pytest.mark.unit


@lru_cache
def price(code: int) -> int:
    return code


class Named:
    """Pickles as its name."""

    def __reduce__(self) -> str:
        return "SINGLE"


SINGLE = Named()


class Bound(BaseEstimator):
    def __init__(self, function: Any = None) -> None:
        self.function = function

    def of(self, x: Any) -> Any:
        return x


def applied_to_a(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["a"]]


def applied(x: Any, f: Any) -> Any:
    return f(x)


@pytest.mark.parametrize(
    ("held", "name"),
    [(price, "price"), (SINGLE, "SINGLE"), ([{"a": price}], "price"), (Bound(Bound(price)).of, "price")],
)
def test_what_an_estimator_holds_by_name_is_own_code(held: Any, name: str) -> None:
    made = own_code(FunctionTransformer(applied, kw_args={"f": held}))
    assert {f"{__name__}:{name}", f"{__name__}:applied"} <= set(made)
    assert all(len(FunctionRef(path).digest) == 64 for path in made)


def test_a_function_of_a_library_is_of_its_package_whoever_imported_it_first() -> None:
    held = FunctionTransformer(expit)
    assert own_code(held) == []
    assert "scipy" in packages(held, flavor("joblib"))


def test_only_what_is_importable_by_name_is_own_code() -> None:
    class Inside(BaseEstimator):
        pass

    assert own_code(Inside()) == []
    assert own_code(Bound()) == [f"{__name__}:Bound"]


def test_packages_are_those_of_the_flavour_and_of_every_step() -> None:
    held = make_pipeline(FunctionTransformer(np.log1p), XGBRegressor())
    assert set(packages(held, flavor("joblib"))) >= {"numpy", "sklearn", "xgboost"}
    assert "onnxruntime" in packages(Bound(), flavor("onnx"))
    assert "json" not in packages(FunctionTransformer(json.dumps), flavor("joblib"))


@pytest.fixture
def manifest(tmp_path: Path) -> ModelManifest:
    """Of a model whose recipe is a function, and whose code is a function of this module."""
    trained = small(tmp_path, features=applied_to_a, columns=["a"])
    made = artifact.read_manifest(trained.model)
    return replace(made, code={f"{__name__}:price": FunctionRef(f"{__name__}:price").digest})


def test_a_model_runs_on_workers_with_the_tasks_code_only(manifest: ModelManifest) -> None:
    code = model_code(manifest)
    assert {f"{__name__}:price", f"{__name__}:applied_to_a", "sklearn"} <= set(dict(code))
    check_code(manifest, code, "m")
    stale = tuple((path, "0" * 64 if path.endswith(":price") else digest) for path, digest in code)
    with pytest.raises(EngineError, match=f"has other code of {__name__}:price than the task"):
        check_code(manifest, stale, "m")
    unknown = tuple(pair for pair in code if not pair[0].endswith(":price"))
    with pytest.raises(ModelError, match=f"model m runs {__name__}:price, which the other models of this run do not"):
        check_code(manifest, unknown, "m")


def test_code_that_is_not_what_it_was_at_training_is_told(manifest: ModelManifest) -> None:
    assert changed_code(manifest) == []
    old = replace(manifest, code={f"{__name__}:price": "0" * 64}, recipe_digest="0" * 64)
    assert changed_code(old) == [f"{__name__}:price", f"{__name__}:applied_to_a"]


def test_a_function_sent_by_value_needs_no_code_on_the_worker(tmp_path: Path) -> None:
    scale = 2.0
    made = artifact.read_manifest(small(tmp_path, features=lambda frame: frame[["a"]] * scale, columns=["a"]).model)
    ((key, _), *_) = model_code(made)
    assert key.startswith(f"{__name__}:")
    assert len(key.rpartition(" ")[2]) == 16
    check_code(made, (), "m")
