"""Installed versions of the libraries that a model depends on."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import airflow_batchscore

#: Packages whose estimators accept a matrix in place of a frame and predict on several threads at once.
KNOWN_PACKAGES = {
    *("joblib", "lightgbm", "numpy", "onnx", "onnxruntime", "pandas", "scipy", "skl2onnx", "sklearn", "skops", "torch"),
    "xgboost",
}
_LIBRARIES = ("scikit-learn", "numpy", "pandas", "pyarrow", "joblib")


def library_versions(*more: str) -> dict[str, str]:
    """Versions of Python, this package, its dependencies and `more`, as far as they are installed."""
    own = {"python": platform.python_version(), "airflow-batchscore": airflow_batchscore.__version__}
    versions = [(module_of(name), _version(name)) for name in (*_LIBRARIES, *more)]
    return own | {name: each for name, each in versions if each is not None}


@cache
def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def module_of(distribution: str) -> str:
    """The common name for distributions of one module (``xgboost-cpu``, ``mlflow-skinny``)."""
    return distribution.removesuffix("-cpu").removesuffix("-skinny")
