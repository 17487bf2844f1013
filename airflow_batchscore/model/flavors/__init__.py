"""Flavours: how an estimator becomes bytes and comes back. The digest is checked before `load` sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import ModelError, RecipeError
from airflow_batchscore.model.flavors.base import Flavor, runs_code
from airflow_batchscore.model.functions import import_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Flavor", "flavor", "flavor_of", "runs_code"]

_HOMES = {
    "joblib": "scikit:Joblib",
    "skops": "scikit:Skops",
    "xgboost": "trees:XGBoost",
    "lightgbm": "trees:LightGBM",
    "onnx": "onnx:Onnx",
    "torch": "torch:TorchExport",
    "torch-state": "torch:TorchState",
    "mlflow": "mlflow:MLflow",
}
#: Library of an estimator's class -> the flavour that ``"auto"`` takes.
_BY_LIBRARY = {"xgboost": "xgboost", "lightgbm": "lightgbm", "onnx": "onnx", "torch": "torch"}


def flavor(name: str) -> Flavor:
    """The flavour called `name`, or at the import path ``"package.module:name"``.

    Raises:
        ModelError: there is none, or what the path names is none.
    """
    if ":" in name:
        return _imported(name)
    if name not in _HOMES:
        raise ModelError(
            f"flavour {name!r} is unknown; there are auto, {', '.join(_HOMES)}, or give the import path of one"
        )
    found: Flavor = import_path(f"{__name__}.{_HOMES[name]}")()
    return found


def flavor_of(estimator: Any, name: str) -> Flavor:
    """`flavor`, and for ``"auto"`` the one that fits the estimator's class: joblib takes what no other does."""
    if name != "auto":
        return flavor(name)
    made_of = estimator if not hasattr(estimator, "module_") else estimator.module_
    libraries = [kind.__module__.partition(".")[0] for kind in type(made_of).__mro__]
    if libraries[0] not in _BY_LIBRARY and "torch" not in libraries:
        return flavor("joblib")  # a class of the user's own over a library's: its format would lose that class
    return flavor(next(_BY_LIBRARY[library] for library in libraries if library in _BY_LIBRARY))


def _imported(path: str) -> Flavor:
    try:
        found = import_path(path)
    except RecipeError as error:
        raise ModelError(f"the flavour {error}") from error
    made = found() if isinstance(found, type) else found
    if not isinstance(made, Flavor):
        raise ModelError(
            f"{path} is no flavour: it needs name, suffix, libraries, dump(estimator, features) and "
            "load(data, trusted_types)"
        )
    return _Named(made, path)


class _Named(Flavor):
    """A flavour of somebody else's, called by its import path, which is how a worker finds it."""

    def __init__(self, inner: Flavor, path: str) -> None:
        self.name, self.suffix, self.libraries = path, inner.suffix, inner.libraries
        self.runs_code = runs_code(inner)
        self._inner = inner

    def dump(self, estimator: Any, features: pd.DataFrame) -> bytes:
        return self._inner.dump(estimator, features)

    def load(self, data: bytes, trusted_types: Sequence[str]) -> Any:
        return self._inner.load(data, trusted_types)
