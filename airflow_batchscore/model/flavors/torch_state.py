"""PyTorch modules as a state dict with the module's factory."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor, need
from airflow_batchscore.model.flavors.torch import TorchModel, torch_module
from airflow_batchscore.model.functions import import_path

if TYPE_CHECKING:
    import pandas as pd


class TorchState(Flavor):
    """A state dict, loaded as weights only, and ``module_factory``: the import path of the factory for the module.

    Accepts an estimator with ``module_`` and ``module_factory``.
    """

    name = "torch-state"
    suffix = "pt"
    libraries = ("torch",)
    names_classes = False

    def dump(self, estimator: object, features: pd.DataFrame) -> bytes:
        torch = need("torch", "the torch-state flavour", "torch")
        factory = getattr(estimator, "module_factory", None)
        if not isinstance(factory, str):
            raise ModelError(
                f"{type(estimator).__name__} has no module_factory: the torch-state flavour needs the import path of a "
                "function that makes the module, 'package.module:function'"
            )
        buffer = io.BytesIO()
        torch.save({"factory": factory, "state": torch_module(estimator).cpu().state_dict()}, buffer)
        return buffer.getvalue()

    def load(self, data: bytes, trusted_types: Sequence[str]) -> object:
        torch = need("torch", "the torch-state flavour", "torch")
        kept = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        module = import_path(kept["factory"])()
        module.load_state_dict(kept["state"])
        return TorchModel(module.eval(), kept["factory"])

    def named_code(self, estimator: Any) -> Sequence[str]:
        return (estimator.module_factory,)
