"""Models trained elsewhere: read from a file, an MLflow registry, or made by a function."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeGuard

from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.inside import read_inside
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import made_with
from airflow_batchscore.model.estimators import unwrap
from airflow_batchscore.model.flavors import Flavor, flavor, flavor_of, flavor_of_file
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.trust import OPEN_ACCESS, ModelAccess, Trust
from airflow_batchscore.training.fit import call_factory

#: MLflow sources. With two slashes, MLflow reads a server name from the string; ours comes from its settings.
_REGISTRY = re.compile(r"(models|runs):/[^/]")
_IMPORT_PATH = re.compile(r"[\w.]+:[\w.]+")
#: What pickle says of a function or class that the script or notebook itself defined: workers run another one.
_OF_SCRIPT = re.compile(r"Can't get attribute '([^']+)' on <module '__main__'")


@dataclass(frozen=True)
class ImportedModel:
    """A fitted model, the flavour that serialises it, and its identity.

    Attributes:
        identity: SHA-256 of its bytes, or of the code of the function that made it.
        data: its bytes, if it was read from some.
    """

    estimator: object = field(repr=False)
    flavor: Flavor
    identity: str
    data: bytes | None = field(default=None, repr=False)

    @property
    def other_versions(self) -> made_with.Versions:
        """What its bytes say it was made with, where that differs from here."""
        return made_with.of_pickle(self.data) if self.data is not None else {}


def import_model(
    source: str | Callable[[], object] | FunctionRef,
    *,
    flavor_name: str = "auto",
    sha256: str | None = None,
    access: ModelAccess = OPEN_ACCESS,
) -> ImportedModel:
    """Import the model at `source`.

    Args:
        source: URI of a model file (``.onnx``, ``.ubj``, ``.pt2``, ``.skops``, ``.joblib``, ``.pkl``);
            ``"models:/name@alias"``, ``"models:/name/3"`` or ``"runs:/..."`` of MLflow; or a function that returns a
            fitted model, itself or as a `FunctionRef`. A string is never treated as a function: it may come from people
            who may name files but not run code.
        sha256: of the file, in hexadecimal; required for files that can run code when loaded.
        access: the connection to read a file through, and what may be loaded. MLflow has its own connection.

    Raises:
        InputError: a segment of the string is not a plain name, or a link leads out of the trusted folder.
        ModelError: it does not exist, is not trusted, does not match `sha256`, or cannot be loaded.
    """
    if not isinstance(source, str):
        ref, factory = (source, source.load()) if isinstance(source, FunctionRef) else (FunctionRef.of(source), source)
        made = unwrap(call_factory(factory))
        return ImportedModel(made, flavor_of(made, flavor_name), ref.digest)
    if _REGISTRY.match(source):
        from airflow_batchscore.model.flavors.mlflow import download

        access.trust.check_place(Location(source.replace("@", "/")))
        return _loaded(source, download(source), flavor("mlflow"), sha256, access.trust)
    if is_import_path(source):
        raise ModelError(
            f"{source!r} is the import path of a function, and was not called: a text names a file or a model of "
            "MLflow. Give the function itself, or write its import path in the DAG as it is, without a template"
        )
    file = Location(source, access.conn_id)
    folders = access.trust.check_place(file)
    kind = flavor(flavor_name) if flavor_name != "auto" else flavor_of_file(source)
    if kind is None:
        raise ModelError(f"{source}: what it is does not show from its name; give flavor=")
    if kind.runs_code and sha256 is None:
        raise ModelError(
            f"{source}: loading a {kind.name} file can run code that is in it; say which bytes you mean with "
            "sha256= (sha256sum prints it)"
        )
    try:
        data = read_inside(file, *folders)
    except FileNotFoundError:
        raise ModelError(f"{source} does not exist: check the URI and the connection") from None
    return _loaded(source, data, kind, sha256, access.trust)


def is_import_path(source: object) -> TypeGuard[str]:
    """Whether it is the import path of a function rather than a file or an MLflow model."""
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
        message = f"{source} cannot be loaded as {kind.name}: {type(error).__name__}: {error}"
        raise ModelError(f"{message}{_of_script(error)}{made_with.cause(made_with.of_pickle(data))}") from error
    return ImportedModel(unwrap(estimator), kind, digest, data)


def _of_script(error: Exception) -> str:
    found = _OF_SCRIPT.search(str(error))
    if found is None:
        return ""
    return (
        f". {found[1]!r} was defined in the script or notebook that made the model: put it into a module beside the "
        "DAGs, import it from there, and dump the model again"
    )
