"""Versions of the libraries that a model depends on, as they are installed here."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import airflow_batchscore

#: Packages whose estimators take a matrix for a frame, and predict on several threads at once.
KNOWN_PACKAGES = {
    *("joblib", "lightgbm", "numpy", "onnx", "onnxruntime", "pandas", "scipy", "skl2onnx", "sklearn", "skops", "torch"),
    "xgboost",
}
_LIBRARIES = ("scikit-learn", "numpy", "pandas", "pyarrow", "joblib")


def library_versions(*more: str) -> dict[str, str]:
    """Versions of Python, this package, the libraries under it and `more`, of those that are installed."""
    found = {"python": platform.python_version(), "airflow-batchscore": airflow_batchscore.__version__}
    versions = [(module_of(name), _version(name)) for name in (*_LIBRARIES, *more)]
    return found | {name: there for name, there in versions if there is not None}


@cache
def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def module_of(distribution: str) -> str:
    """The name that distributions of one module (``xgboost-cpu``, ``mlflow-skinny``) go by."""
    return distribution.removesuffix("-cpu").removesuffix("-skinny")
