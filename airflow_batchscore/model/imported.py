"""Models that somebody else trained: read from a file, an MLflow registry, or made by a function."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from airflow_batchscore.data import storage
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.fitting import call_factory
from airflow_batchscore.model.flavors import Flavor, flavor, flavor_of
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
#: Files whose loading runs code that is in them.
_RUNS_CODE = {"joblib", "torch"}
_REGISTRY = ("models:/", "runs:/")


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
    source: Any,
    *,
    flavor_name: str = "auto",
    sha256: str | None = None,
    conn_id: str | None = None,
    trust: Trust = TRUST_ALL,
) -> ImportedModel:
    """The model at `source`.

    Args:
        source: URI of a model file (``.onnx``, ``.ubj``, ``.pt2``, ``.skops``, ``.joblib``, ``.pkl``);
            ``"models:/name@alias"``, ``"models:/name/3"`` or ``"runs:/..."`` of MLflow; or a function (or its import
            path) that returns a fitted model.
        sha256: of the file, in hexadecimal digits; required of files that can run code when they are loaded.

    Raises:
        ModelError: it is not there, not trusted, not the one that `sha256` names, or cannot be loaded.
    """
    if isinstance(source, str) and source.startswith(_REGISTRY):
        from airflow_batchscore.model.flavors.mlflow import download

        trust.check_place(source, conn_id)
        return _loaded(source, download(source), flavor("mlflow"), sha256, trust)
    suffix = f".{source.rpartition('.')[2]}" if isinstance(source, str) else ""
    name = flavor_name if flavor_name != "auto" else _BY_SUFFIX.get(suffix)
    if isinstance(source, str) and (":" not in source or "://" in source):
        if name is None:
            raise ModelError(f"{source}: what it is does not show from its name; give flavor=")
        kind = flavor(name)
        trust.check_place(source, conn_id)
        if kind.name in _RUNS_CODE and sha256 is None:
            raise ModelError(
                f"{source}: loading a {kind.name} file can run code that is in it; say which bytes you mean with "
                "sha256= (sha256sum prints it)"
            )
        try:
            data = storage.read_bytes(source, conn_id)
        except FileNotFoundError:
            raise ModelError(f"{source} is not there: check the URI and the connection") from None
        return _loaded(source, data, kind, sha256, trust)
    made = artifact.unwrap(call_factory(source))
    return ImportedModel(made, flavor_of(made, flavor_name), FunctionRef.of(source).digest)


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
