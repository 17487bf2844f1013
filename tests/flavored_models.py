"""Estimators and a flavour for the conformance tests, importable by worker processes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin

from airflow_batchscore.model.flavors import Flavor


class Means(RegressorMixin, BaseEstimator):
    """Predicts the mean label; for a flavour of its own."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return np.full(len(X), self.mean_)


class JsonMeans(Flavor):
    """A flavour that somebody wrote for `Means`."""

    name = "json-means"
    suffix = "json"
    libraries = ("numpy",)

    def dump(self, estimator: Means, features: pd.DataFrame) -> bytes:
        return json.dumps({"mean": estimator.mean_}).encode()

    def load(self, data: bytes, trusted_types: Sequence[str]) -> Means:
        made = Means()
        made.mean_ = json.loads(data)["mean"]
        return made


def network() -> Any:
    """A small module with weights that do not change."""
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3), torch.nn.Softmax(dim=1))


class Network(BaseEstimator):
    """A few steps of training; the trained module is in ``module_``, as skorch has it."""

    module_factory = "flavored_models:network"

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        import torch

        self.module_ = network()
        values, labels = torch.tensor(np.asarray(X), dtype=torch.float32), torch.tensor(np.asarray(y))
        steps = torch.optim.Adam(self.module_.parameters(), lr=0.05)
        for _ in range(20):
            steps.zero_grad()
            torch.nn.functional.nll_loss(torch.log(self.module_(values)), labels).backward()
            steps.step()
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        import torch

        with torch.inference_mode():
            return self.module_(torch.tensor(np.asarray(X), dtype=torch.float32)).numpy()


def trained() -> Any:
    """A model that was fitted before, as a function gives it."""
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit(pd.DataFrame({"a": [0.0, 1.0, 2.0], "b": [1.0, 0.0, 1.0]}), [1.0, 2.0, 3.0])


def broken() -> Any:
    raise RuntimeError("the weights are on another disk")
