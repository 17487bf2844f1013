"""PyTorch modules as exported programs, and what both flavours of PyTorch load."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor, library_of, need, tags

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch
    from sklearn.utils import Tags

#: Tensor bytes that one call of a module may allocate on a CPU; on a GPU, a share of its free memory.
_CPU_BYTES = 256 << 20
_GPU_SHARE = 0.5
_TRIAL_ROWS = 2


class TorchExport(Flavor):
    """Serialised by ``torch.export``: the graph and its weights, without the module's Python code.

    Accepts a module, or an estimator that stores its trained module in ``module_`` (skorch's convention).
    """

    name = "torch"
    suffix = "pt2"
    libraries = ("torch",)
    estimators = ("torch",)
    reads = ("pt2",)
    names_classes = False

    def dump(self, estimator: object, features: pd.DataFrame) -> bytes:
        torch = need("torch", "the torch flavour", "torch")
        module = torch_module(estimator).eval().cpu()
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

    def load(self, data: bytes, trusted_types: Sequence[str]) -> object:
        torch = need("torch", "the torch flavour", "torch")
        return TorchModel(torch.export.load(io.BytesIO(data)).module())

    def takes(self, estimator: object) -> bool:
        """Any module: users write subclasses of ``torch.nn.Module``. Also an estimator with one in ``module_``."""
        module = getattr(estimator, "module_", estimator)
        return any(library_of(kind) in self.estimators for kind in type(module).__mro__)


class TorchModel:
    """A module with scikit-learn's `predict`: the module's output for the features as one float tensor.

    It runs on a GPU if the worker has one. Rows are passed in calls whose tensors fit into memory; the size per row is
    measured at the first call.

    Args:
        module_factory: import path of the function that made the module, if it was loaded from a state dict.
    """

    def __init__(self, module: torch.nn.Module, module_factory: str | None = None) -> None:
        torch = need("torch", "the torch flavour", "torch")
        self.module_factory = module_factory
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._module = module.to(self._device)
        self._dtype = _dtype(module.parameters())
        self._row_bytes = 0

    def __sklearn_tags__(self) -> Tags:
        return tags(None)

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        import torch

        values = _tensor(features, self._dtype)
        with torch.inference_mode():
            rows = self._rows_at_once(values)
            outputs = [self._module(part.to(self._device)).cpu().numpy() for part in values.split(rows)]
        import numpy as np

        return np.concatenate(outputs)

    def _rows_at_once(self, values: torch.Tensor) -> int:
        import torch

        if not len(values):
            return 1
        if not self._row_bytes:
            trial = values[:_TRIAL_ROWS]
            self._row_bytes = max(1, _bytes_made(self._module, trial.to(self._device)) // len(trial))
        free = _CPU_BYTES if self._device == "cpu" else int(torch.cuda.mem_get_info()[0] * _GPU_SHARE)
        return max(1, free // self._row_bytes)


def _bytes_made(module: torch.nn.Module, trial: torch.Tensor) -> int:
    """Bytes of all tensors that a call allocates: no call needs more at once."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    made = 0

    class Count(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, func: Any, kinds: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal made
            result = func(*args, **(kwargs or {}))
            tensors = result if isinstance(result, (tuple, list)) else [result]
            made += sum(tensor.nbytes for tensor in tensors if isinstance(tensor, torch.Tensor))
            return result

    with Count():
        module(trial)
    return made


def torch_module(estimator: object) -> torch.nn.Module:
    torch = need("torch", "the torch flavour", "torch")
    module = getattr(estimator, "module_", estimator)
    if not isinstance(module, torch.nn.Module):
        raise ModelError(f"{type(estimator).__name__} is no torch module, and has none in module_")
    return module


def _dtype(parameters: Iterable[torch.nn.Parameter]) -> torch.dtype:
    import torch

    return next((value.dtype for value in parameters if value.is_floating_point()), torch.float32)


def _tensor(features: object, dtype: torch.dtype) -> torch.Tensor:
    import numpy as np
    import torch

    return torch.from_numpy(np.array(features, dtype=np.float64)).to(dtype)
