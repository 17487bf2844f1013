"""What a flavour's class says of it, and what follows where it says nothing."""

from __future__ import annotations

import sys
from typing import Any

import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.utils import get_tags
from xgboost import XGBRegressor

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor, library_of, need, tags

pytestmark = pytest.mark.unit


class Plain(Flavor):
    """As little as a flavour can say."""

    name, suffix = "plain", "txt"

    def dump(self, estimator: Any, features: pd.DataFrame) -> bytes:
        return b""

    def load(self, data: bytes, trusted_types: Any) -> Any:
        return None


class Numbers(Plain):
    runs_code = False
    estimators = ("sklearn",)


class Child(Numbers):
    """Says nothing of its own: it may load otherwise than its parent."""


class Vague(Plain):
    runs_code = None  # type: ignore[assignment]


class OwnRidge(Ridge):
    """A user's subclass."""


def test_a_flavour_that_says_nothing_runs_code_names_classes_and_is_not_exact() -> None:
    kind = Plain()
    assert kind.runs_code
    assert kind.names_classes
    assert not kind.exact
    assert (kind.unknown_types(b""), kind.named_code(Ridge())) == ((), ())
    assert not kind.takes(Ridge())


@pytest.mark.parametrize(("kind", "runs"), [(Plain, True), (Numbers, False), (Child, True), (Vague, True)])
def test_only_a_class_that_says_false_itself_runs_no_code(kind: type[Flavor], runs: bool) -> None:
    assert kind().runs_code is runs


def test_auto_takes_a_librarys_own_classes_only() -> None:
    assert Numbers().takes(Ridge())
    assert not Numbers().takes(OwnRidge())
    assert not Numbers().takes(XGBRegressor())
    assert library_of(type(Ridge())) == "sklearn"


def test_a_flavour_without_dump_or_load_cannot_be_made() -> None:
    class Half(Flavor):
        name, suffix = "half", "txt"

        def dump(self, estimator: Any, features: pd.DataFrame) -> bytes:
            return b""

    with pytest.raises(TypeError, match="load"):
        Half()  # type: ignore[abstract]


def test_a_library_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ModelError, match=r"^this needs skops, .*pip install 'airflow-batchscore\[extra\]'"):
        need("skops.io", "this", "extra")
    assert need("json", "this", "none").dumps([]) == "[]"


@pytest.mark.parametrize("kind", ["classifier", "regressor", None])
def test_tags_say_which_metrics_a_model_takes(kind: str | None) -> None:
    class Model:
        def __sklearn_tags__(self) -> Any:
            return tags(kind)

    assert get_tags(Model()).estimator_type == kind
