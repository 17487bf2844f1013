"""PyTorch modules: as an exported program, or as a state dict with the factory of its module."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor, need, tags
from airflow_batchscore.model.functions import import_path

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: Bytes of the tensors that one call of a module may make, on a CPU; on a GPU a share of what is free there.
_CPU_BYTES = 256 << 20
_GPU_SHARE = 0.5
_TRIAL_ROWS = 2


class TorchExport(Flavor):
    """By ``torch.export``: the graph and its weights, without the Python code of the module.

    Takes a module, or an estimator that keeps its trained one in ``module_`` (skorch's convention).
    """

    name = "torch"
    suffix = "pt2"
    libraries = ("torch",)

    def dump(self, estimator: Any, features: pd.DataFrame) -> bytes:
        torch = need("torch", "the torch flavour", "torch")
        module = _module(estimator).eval().cpu()
        try:
            rows = torch.export.Dim("rows")
            sample = _tensor(features.head(_TRIAL_ROWS), _dtype(module.parameters()))
            program = torch.export.export(module, (sample,), dynamic_shapes=({0: rows},))
            buffer = io.BytesIO()
            torch.export.save(program, buffer)
        except Exception as error:  # export raises a dozen kinds
            raise ModelError(
                f"{type(module).__name__} cannot be exported: {error}. Use flavor='torch-state', which keeps the "
                "weights and the import path of the module's factory"
            ) from error
        return buffer.getvalue()

    def load(self, data: bytes, trusted_types: Sequence[str]) -> Any:
        torch = need("torch", "the torch flavour", "torch")
        return TorchModel(torch.export.load(io.BytesIO(data)).module())


class TorchState(Flavor):
    """A state dict, loaded as weights only, and ``module_factory``: the import path of what makes the module.

    Takes an estimator with ``module_`` and ``module_factory``.
    """

    name = "torch-state"
    suffix = "pt"
    libraries = ("torch",)

    def dump(self, estimator: Any, features: pd.DataFrame) -> bytes:
        torch = need("torch", "the torch-state flavour", "torch")
        factory = getattr(estimator, "module_factory", None)
        if not isinstance(factory, str):
            raise ModelError(
                f"{type(estimator).__name__} has no module_factory: the torch-state flavour needs the import path of a "
                "function that makes the module, 'package.module:function'"
            )
        buffer = io.BytesIO()
        torch.save({"factory": factory, "state": _module(estimator).cpu().state_dict()}, buffer)
        return buffer.getvalue()

    def load(self, data: bytes, trusted_types: Sequence[str]) -> Any:
        torch = need("torch", "the torch-state flavour", "torch")
        kept = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        module = import_path(kept["factory"])()
        module.load_state_dict(kept["state"])
        return TorchModel(module.eval())


class TorchModel:
    """A module with scikit-learn's `predict`: what the module gives for the features as one float tensor.

    It runs on a GPU where the worker has one. Rows go through it in calls whose tensors fit into memory: what a row
    takes is measured at the first call.
    """

    def __init__(self, module: Any) -> None:
        torch = need("torch", "the torch flavour", "torch")
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._module = module.to(self._device)
        self._dtype = _dtype(module.parameters())
        self._row_bytes = 0

    def __sklearn_tags__(self) -> Any:
        return tags(None)

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        import torch

        values = _tensor(features, self._dtype)
        with torch.inference_mode():
            rows = self._rows_at_once(values)
            found = [self._module(part.to(self._device)).cpu().numpy() for part in values.split(rows)]
        import numpy as np

        return np.concatenate(found)

    def _rows_at_once(self, values: Any) -> int:
        import torch

        if not self._row_bytes:
            trial = values[:_TRIAL_ROWS]
            self._row_bytes = max(1, _bytes_made(self._module, trial.to(self._device)) // len(trial))
        free = _CPU_BYTES if self._device == "cpu" else int(torch.cuda.mem_get_info()[0] * _GPU_SHARE)
        return max(1, free // self._row_bytes)


def _bytes_made(module: Any, trial: Any) -> int:
    """Bytes of all tensors that a call makes: no call needs more at once."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    made = 0

    class Count(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, func: Any, kinds: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal made
            found = func(*args, **(kwargs or {}))
            tensors = found if isinstance(found, (tuple, list)) else [found]
            made += sum(tensor.nbytes for tensor in tensors if isinstance(tensor, torch.Tensor))
            return found

    with Count():
        module(trial)
    return made


def _module(estimator: Any) -> Any:
    torch = need("torch", "the torch flavour", "torch")
    module = getattr(estimator, "module_", estimator)
    if not isinstance(module, torch.nn.Module):
        raise ModelError(f"{type(estimator).__name__} is no torch module, and has none in module_")
    return module


def _dtype(parameters: Any) -> Any:
    import torch

    return next((value.dtype for value in parameters if value.is_floating_point()), torch.float32)


def _tensor(features: Any, dtype: Any) -> Any:
    import numpy as np
    import torch

    return torch.from_numpy(np.array(features, dtype=np.float64)).to(dtype)
