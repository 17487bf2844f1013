"""Model artifacts: save, load, verify.

``<model_uri>/<version>/`` holds the estimator's file, named by its digest, and ``model.json``, written last:
a version without it does not exist. What is loaded is checked first: SHA-256 of the bytes against
``model.json``, and that against the digest that the run pinned when it planned.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import airflow_batchscore
from airflow_batchscore.data import storage
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors import flavor
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.reference import ModelRef, manifest_value
from airflow_batchscore.model.trust import sign, signature_file

log = logging.getLogger(__name__)

_FORMAT = 1
_LIBRARIES = ("scikit-learn", "numpy", "pandas", "pyarrow", "joblib")


@dataclass(frozen=True)
class Signature:
    """What a model expects.

    Attributes:
        raw: raw column -> type name (``float64``, ``int64``, ``bool``, ``string``), as training found them;
            None for a type that only Parquet can hold, which is then taken as the file has it.
        features: feature names in the order of the model's input.
        outputs: method -> output column -> Arrow type.
        matrix: methods that give the same for a plain matrix as for a DataFrame, so that scoring needs no pandas.
    """

    raw: dict[str, str | None]
    features: tuple[str, ...]
    outputs: dict[str, dict[str, str]]
    matrix: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelManifest:
    """The content of ``model.json``."""

    digest: str
    file: str
    flavor: str
    estimator: str
    signature: Signature
    recipe: Recipe
    recipe_digest: str
    metrics: dict[str, float]
    metrics_on: str
    training: dict[str, Any]
    profile: dict[str, Any]
    created: str
    libraries: dict[str, str] = field(default_factory=lambda: library_versions())
    format: int = _FORMAT

    def to_dict(self) -> dict[str, Any]:
        fields = {name: value for name, value in vars(self).items() if name not in ("signature", "recipe")}
        return fields | {"signature": asdict(self.signature), "recipe": self.recipe.to_dict()}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], uri: str) -> ModelManifest:
        if value.get("format") != _FORMAT:
            raise ModelError(
                f"{uri}/model.json has format {value.get('format')!r}; this version ({airflow_batchscore.__version__}) "
                f"reads format {_FORMAT}"
            )
        signature = value["signature"]
        return cls(
            **{
                **value,
                "signature": Signature(
                    signature["raw"],
                    tuple(signature["features"]),
                    signature["outputs"],
                    tuple(signature.get("matrix", ())),
                ),
                "recipe": Recipe.from_dict(value["recipe"]),
            }
        )


@dataclass(frozen=True)
class LoadedModel:
    """An estimator in memory, with what its artifact says of it."""

    ref: ModelRef
    manifest: ModelManifest
    estimator: Any


def library_versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "airflow-batchscore": airflow_batchscore.__version__}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_manifest(ref: ModelRef) -> ModelManifest:
    """``model.json`` of a pinned version. Raises ModelError when it is gone or not the one pinned."""
    try:
        data = storage.read_bytes(storage.join(ref.uri, "model.json"), ref.conn_id)
    except FileNotFoundError:
        raise ModelError(f"model {ref.uri} has no model.json: the version was deleted, or was never complete") from None
    if ref.manifest_digest not in (None, hashlib.sha256(data).hexdigest()):
        raise ModelError(
            f"model {ref.uri}: model.json is not the one that the run pinned; the artifact was changed during the run. "
            "Train a new version instead of changing one"
        )
    value = manifest_value(data, ref.uri)
    if value.get("digest") != ref.digest:
        raise ModelError(
            f"model {ref.uri}: model.json says digest {str(value.get('digest'))[:12]}, the run pinned "
            f"{ref.digest[:12]}; the artifact was changed during the run. Train a new version instead of changing one"
        )
    return ModelManifest.from_dict(value, ref.uri)


def serialise(estimator: Any, flavor_name: str) -> tuple[bytes, str]:
    """The estimator's bytes and their SHA-256."""
    data = flavor(flavor_name).dump(estimator)
    return data, hashlib.sha256(data).hexdigest()


def save(
    uri: str, data: bytes, manifest: ModelManifest, conn_id: str | None = None, signing_key: bytes | None = None
) -> ModelRef | None:
    """Write a version. ``model.json`` is written last and makes it exist.

    Returns:
        None when the version is there already: of two who save one at the same time, the first one's stands.
    """
    storage.write_bytes(storage.join(uri, manifest.file), data, conn_id)
    described = storage.json_bytes(manifest.to_dict())
    if signing_key is not None:
        signature = sign(signing_key, described).encode()
        storage.write_bytes(storage.join(uri, signature_file(described)), signature, conn_id)
    if not storage.create_bytes(storage.join(uri, "model.json"), described, conn_id):
        return None
    return ModelRef(uri, manifest.digest, conn_id, hashlib.sha256(described).hexdigest())


_loaded: dict[str, LoadedModel] = {}
_loading = threading.Lock()


def load(ref: ModelRef, trusted_types: Sequence[str] = ()) -> LoadedModel:
    """The model, read once a process however many threads ask.

    Args:
        trusted_types: see `Trust`.

    Raises:
        ModelError: the bytes are not those that the digest names. Nothing of them was deserialised.
    """
    key = f"{ref.uri}\n{ref.digest}"
    with _loading:
        if key not in _loaded:
            manifest = read_manifest(ref)
            _loaded.clear()  # a run scores with one model; a long-lived worker must not gather old ones
            _loaded[key] = LoadedModel(ref, manifest, _load_verified(ref, manifest, trusted_types))
        return _loaded[key]


def _load_verified(ref: ModelRef, manifest: ModelManifest, trusted_types: Sequence[str]) -> Any:
    uri = storage.join(ref.uri, manifest.file.rpartition("/")[2])
    try:
        data = storage.read_bytes(uri, ref.conn_id)
    except FileNotFoundError as error:
        raise ModelError(f"model {ref.uri}: {uri} is missing; the version is not complete, train it again") from error
    found = hashlib.sha256(data).hexdigest()
    if found != ref.digest:
        raise ModelError(
            f"model {ref.uri}: the bytes of {uri} have SHA-256 {found[:12]}, model.json says {ref.digest[:12]}. "
            "The file was altered or damaged and was not loaded. Restore it, or train a new version"
        )
    _warn_of_versions(ref, manifest)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Trying to unpickle estimator")  # said better above
        try:
            return _one_job(flavor(manifest.flavor).load(data, trusted_types))
        except ModelError as error:
            raise ModelError(f"model {ref.uri} was not loaded: {error}") from error
        except Exception as error:
            here, there = library_versions(), manifest.libraries
            differ = ", ".join(f"{n} {v} (here {here.get(n)})" for n, v in there.items() if here.get(n) != v)
            raise ModelError(
                f"model {ref.uri} cannot be loaded: {type(error).__name__}: {error}. It was saved with "
                f"{differ or 'the same library versions as here'}"
            ) from error


def _one_job(estimator: Any) -> Any:
    """Without threads of its own: blocks are scored one a core already."""
    if hasattr(estimator, "get_params") and not isinstance(estimator, type):
        jobs = {
            name: 1
            for name, value in estimator.get_params(deep=True).items()
            if name.rpartition("__")[2] == "n_jobs" and value not in (None, 1)
        }
        if jobs:
            estimator.set_params(**jobs)
    return estimator


def _warn_of_versions(ref: ModelRef, manifest: ModelManifest) -> None:
    there, here = manifest.libraries.get("scikit-learn"), library_versions().get("scikit-learn")
    if there != here:
        log.warning(
            "model %s was trained with scikit-learn %s, this worker has %s: predictions may differ. Install the "
            "version it was trained with on the workers, or train it again",
            ref.uri,
            there,
            here,
        )
