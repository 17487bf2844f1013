"""Models that somebody else trained: read from a file, an MLflow registry, or made by a function."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_batchscore.data.inside import read_inside
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.fitting import call_factory
from airflow_batchscore.model.flavors import Flavor, flavor, flavor_of, runs_code
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.trust import TRUST_ALL, Trust

_BY_SUFFIX = {
    ".onnx": "onnx",
    ".ubj": "xgboost",
    ".pt2": "torch",
    ".skops": "skops",
    ".joblib": "joblib",
    ".pkl": "joblib",
}
#: Of MLflow. With two slashes MLflow takes the name of a server from the text; ours comes from its settings.
_REGISTRY = re.compile(r"(models|runs):/[^/]")
_IMPORT_PATH = re.compile(r"[\w.]+:[\w.]+")


@dataclass(frozen=True)
class ImportedModel:
    """A fitted model, the flavour that writes it down, and what identifies it.

    Attributes:
        identity: SHA-256 of its bytes, or of the code of the function that made it.
        data: its bytes, where it was read from some.
    """

    estimator: Any = field(repr=False)
    flavor: Flavor
    identity: str
    data: bytes | None = field(default=None, repr=False)


def import_model(
    source: str | Callable[[], Any] | FunctionRef,
    *,
    flavor_name: str = "auto",
    sha256: str | None = None,
    conn_id: str | None = None,
    trust: Trust = TRUST_ALL,
) -> ImportedModel:
    """The model at `source`.

    Args:
        source: URI of a model file (``.onnx``, ``.ubj``, ``.pt2``, ``.skops``, ``.joblib``, ``.pkl``);
            ``"models:/name@alias"``, ``"models:/name/3"`` or ``"runs:/..."`` of MLflow; or a function that returns a
            fitted model, itself or as a `FunctionRef`. A text is never taken for a function: it may come from people
            who may name files, and not run code.
        sha256: of the file, in hexadecimal digits; required of files that can run code when they are loaded.
        conn_id: of the file's storage.

    Raises:
        InputError: a segment of the text is no plain name, or a link leads out of the trusted folder.
        ModelError: it is not there, not trusted, not the one that `sha256` names, or cannot be loaded.
    """
    if not isinstance(source, str):
        ref, factory = (source, source.load()) if isinstance(source, FunctionRef) else (FunctionRef.of(source), source)
        made = artifact.unwrap(call_factory(factory))
        return ImportedModel(made, flavor_of(made, flavor_name), ref.digest)
    if _REGISTRY.match(source):
        from airflow_batchscore.model.flavors.mlflow import download

        trust.check_place(source.replace("@", "/"), None)
        return _loaded(source, download(source), flavor("mlflow"), sha256, trust)
    if is_import_path(source):
        raise ModelError(
            f"{source!r} is the import path of a function, and was not called: a text names a file or a model of "
            "MLflow. Give the function itself, or write its import path in the DAG as it is, without a template"
        )
    folders = trust.check_place(source, conn_id)
    name = flavor_name if flavor_name != "auto" else _BY_SUFFIX.get(f".{source.rpartition('.')[2]}")
    if name is None:
        raise ModelError(f"{source}: what it is does not show from its name; give flavor=")
    kind = flavor(name)
    if runs_code(kind) and sha256 is None:
        raise ModelError(
            f"{source}: loading a {kind.name} file can run code that is in it; say which bytes you mean with "
            "sha256= (sha256sum prints it)"
        )
    try:
        data = read_inside(source, conn_id, *folders)
    except FileNotFoundError:
        raise ModelError(f"{source} is not there: check the URI and the connection") from None
    return _loaded(source, data, kind, sha256, trust)


def is_import_path(source: Any) -> bool:
    """Whether it is the import path of a function, rather than a file or a model of MLflow."""
    return isinstance(source, str) and not _REGISTRY.match(source) and bool(_IMPORT_PATH.fullmatch(source))


def _loaded(source: str, data: bytes, kind: Flavor, sha256: str | None, trust: Trust) -> ImportedModel:
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise ModelError(f"{source} has SHA-256 {digest}, not {sha256}: it is another file, and was not loaded")
    try:
        estimator = kind.load(data, trust.types)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{source} cannot be loaded as {kind.name}: {type(error).__name__}: {error}") from error
    return ImportedModel(artifact.unwrap(estimator), kind, digest, data)
