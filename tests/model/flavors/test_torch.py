"""PyTorch's modules: exported programs, and calls that fit into memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors import flavor, flavor_of

pytestmark = pytest.mark.flavors

FEATURES = ["a", "b"]


def test_a_module_that_cannot_be_exported_points_at_the_other_flavour() -> None:
    import torch

    class Branching(torch.nn.Module):
        def forward(self, values: Any) -> Any:
            return values if float(values.sum()) > 0 else -values

    with pytest.raises(ModelError, match="(?s)Branching cannot be exported.*flavor='torch-state'"):
        flavor("torch").dump(Branching(), pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}))
    with pytest.raises(ModelError, match="Branching has no module_factory"):
        flavor("torch-state").dump(Branching(), pd.DataFrame())


def test_rows_go_through_a_module_in_calls_that_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    import flavored_models
    import torch

    from airflow_batchscore.model.flavors import torch as flavored

    calls: list[int] = []

    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = flavored_models.network()

        def forward(self, values: Any) -> Any:
            calls.append(len(values))
            return self.inner(values)

    monkeypatch.setattr(flavored, "_CPU_BYTES", 10_000)
    features = pd.DataFrame(np.random.default_rng(0).normal(size=(500, 2)), columns=FEATURES)
    model = flavored.TorchModel(Counting().eval())
    whole = flavored.TorchModel(flavored_models.network().eval())
    monkeypatch.setattr(flavored, "_CPU_BYTES", 1 << 30)
    expected = whole.predict(features)
    monkeypatch.setattr(flavored, "_CPU_BYTES", 10_000)
    np.testing.assert_allclose(model.predict(features), expected, rtol=1e-6)
    assert len(calls) > 3
    assert sum(calls[1:]) == 500  # the first call measures what a row takes
    assert max(calls) < 200


def test_auto_takes_users_modules_and_estimators_that_hold_one() -> None:
    import flavored_models
    import torch

    class Theirs(torch.nn.Module):
        pass

    assert flavor_of(Theirs(), "auto").name == "torch"
    holder = flavored_models.Network()
    assert flavor_of(holder, "auto").name == "joblib"
    holder.module_ = flavored_models.network()
    assert flavor_of(holder, "auto").name == "torch"


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_a_module_gets_features_in_the_type_of_its_weights(kind: str) -> None:
    import torch

    from airflow_batchscore.model.flavors.torch import TorchModel

    made = TorchModel(torch.nn.Linear(2, 1).to(getattr(torch, kind)))
    assert made.predict(pd.DataFrame({"a": [1, 2], "b": [True, False]})).dtype == kind


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(ModelError, match="dict is no torch module, and has none in module_"):
        flavor("torch").dump({}, pd.DataFrame())


def test_no_rows_give_no_predictions() -> None:
    import flavored_models

    from airflow_batchscore.model.flavors.torch import TorchModel

    model = TorchModel(flavored_models.network().eval())
    assert model.predict(pd.DataFrame({"a": [], "b": []})).shape == (0, 3)
    assert model.predict(pd.DataFrame({"a": [1.0], "b": [2.0]})).shape == (1, 3)
