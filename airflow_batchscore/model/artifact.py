"""Model artifacts: save, load, verify.

``<model_uri>/<version>/`` holds the estimator's file, named by its digest, and ``model.json``, written last:
a version without it does not exist. What is loaded is checked first: SHA-256 of the bytes against
``model.json``, and that against the digest that the run pinned when it planned.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import airflow_batchscore
from airflow_batchscore.data import storage
from airflow_batchscore.data.inside import read_inside
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors import flavor
from airflow_batchscore.model.libraries import library_versions, module_of
from airflow_batchscore.model.loaded import LoadedModel
from airflow_batchscore.model.model_code import Code, check_code
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.reference import REPAIR, ModelRef, manifest_value
from airflow_batchscore.model.trust import sign, signature_file

log = logging.getLogger(__name__)

_FORMAT = 1
#: Searches that predict as the best estimator they found does. A subclass of one may do something else, and stays.
_SEARCHES = {
    *("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"),
    *("IncrementalSearchCV", "HyperbandSearchCV", "SuccessiveHalvingSearchCV", "InverseDecaySearchCV"),
}
#: Serialised bytes of the models that a process keeps loaded; in memory they are about as large.
CACHE_BYTES = 512 << 20


@dataclass(frozen=True)
class Signature:
    """What a model expects.

    Attributes:
        raw: raw column -> type name (``float64``, ``int64``, ``bool``, ``string``, or Arrow's own such as
            ``timestamp[us]``), as training found them; None takes it as the file has it.
        features: feature names in the order of the model's input.
        outputs: method -> output column -> Arrow type.
        matrix: methods that give the same for a plain matrix as for a DataFrame, so that scoring needs no pandas.
        labels: method -> output column -> what it stands for (a class, a pair of classes, a feature), which its name
            may say in other words, or only by place.
        whole_names: the frame that it was fitted on has whole numbers for names, not text.
    """

    raw: dict[str, str | None]
    features: tuple[str, ...]
    outputs: dict[str, dict[str, str]]
    matrix: tuple[str, ...] = ()
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    whole_names: bool = False


@dataclass(frozen=True)
class ModelManifest:
    """The content of ``model.json``.

    Attributes:
        code: import path -> digest of the user's own classes and functions that the estimator is made of, as they were
            when it was trained.
        packages: names of the installed packages that it is made of.
    """

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
    code: dict[str, str]
    packages: list[str]
    libraries: dict[str, str] = field(default_factory=library_versions)
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
        try:
            signature = value["signature"]
            return cls(
                **{
                    **value,
                    "signature": Signature(
                        **{
                            **signature,
                            "features": tuple(signature["features"]),
                            "matrix": tuple(signature["matrix"]),
                        }
                    ),
                    "recipe": Recipe.from_dict(value["recipe"]),
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{uri}/model.json is not whole ({error!r}). {REPAIR}") from error


def read_manifest(ref: ModelRef) -> ModelManifest:
    """``model.json`` of a pinned version. Raises ModelError when it is gone or not the one pinned."""
    try:
        data = _read(ref, "model.json")
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


def unwrap(estimator: Any) -> Any:
    """What dask-ml's and scikit-learn's wrappers hold: they spread training or predictions, and blocks do that here.

    `ParallelPostFit` and `Incremental` give way to the estimator inside, a finished search to the best one it found.
    """
    name, library = type(estimator).__name__, type(estimator).__module__.partition(".")[0]
    if library == "dask_ml" and name in ("ParallelPostFit", "Incremental"):
        return unwrap(getattr(estimator, "estimator_", estimator.estimator))
    if library in ("sklearn", "dask_ml") and name in _SEARCHES and hasattr(estimator, "best_estimator_"):
        return unwrap(estimator.best_estimator_)
    return estimator


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
        signature = sign(signing_key, uri, described).encode()
        storage.write_bytes(storage.join(uri, signature_file(described)), signature, conn_id)
    if not storage.create_bytes(storage.join(uri, "model.json"), described, conn_id):
        return None
    return ModelRef(uri, manifest.digest, conn_id, hashlib.sha256(described).hexdigest())


class _Cache:
    """Models by all that loading them checks; the ones not used for longest leave when there are too many bytes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, tuple[LoadedModel, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, ref: ModelRef, trusted_types: Sequence[str], code: Code | None) -> LoadedModel:
        key = (ref, tuple(trusted_types), code)
        with self._lock:
            if key not in self._kept:
                manifest = read_manifest(ref)
                if code is not None:
                    check_code(manifest, code, ref.uri)
                data = _verified_bytes(ref, manifest)
                read = partial(_deserialise, ref, manifest, data, trusted_types)
                self._kept[key] = LoadedModel(ref, manifest, read), len(data)
                while len(self._kept) > 1 and sum(size for _, size in self._kept.values()) > CACHE_BYTES:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)


_loaded = _Cache()


def load(ref: ModelRef, trusted_types: Sequence[str] = (), code: Code | None = None) -> LoadedModel:
    """The model, read once per process however many threads ask, and kept while `CACHE_BYTES` hold it.

    Args:
        trusted_types: see `Trust`.
        code: what `model_code` gave where the work was planned; None takes the code that is here.

    Raises:
        ModelError: the bytes are not those that the digest names. Nothing of them was deserialised.
        EngineError: the code that the model runs is not that of the task.
    """
    return _loaded.get(ref, trusted_types, code)


def verify(ref: ModelRef) -> ModelManifest:
    """What ``model.json`` says, once every byte of the version is verified. Nothing is deserialised.

    Raises ModelError unless the bytes are those that the digest names.
    """
    manifest = read_manifest(ref)
    _verified_bytes(ref, manifest)
    return manifest


def _read(ref: ModelRef, name: str) -> bytes:
    """A file of a version, which really lies in the model's folder. Raises FileNotFoundError."""
    return read_inside(storage.join(ref.uri, name), ref.conn_id, [storage.parent(ref.uri)])


def _verified_bytes(ref: ModelRef, manifest: ModelManifest) -> bytes:
    name = manifest.file.rpartition("/")[2]
    uri = storage.join(ref.uri, name)
    try:
        data = _read(ref, name)
    except FileNotFoundError as error:
        raise ModelError(f"model {ref.uri}: {uri} is missing, the version is not complete. {REPAIR}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != ref.digest:
        raise ModelError(
            f"model {ref.uri}: the bytes of {uri} have SHA-256 {found[:12]}, model.json says {ref.digest[:12]}. "
            f"The file was altered or damaged and was not loaded. {REPAIR}"
        )
    return data


def _deserialise(ref: ModelRef, manifest: ModelManifest, data: bytes, trusted_types: Sequence[str]) -> Any:
    kind = flavor(manifest.flavor)
    _warn_of_versions(ref, manifest)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Trying to unpickle estimator")  # said better above
        try:
            return _one_job(unwrap(kind.load(data, trusted_types)))
        except ModelError as error:
            raise ModelError(f"model {ref.uri} was not loaded: {error}") from error
        except Exception as error:
            there, here = manifest.libraries, library_versions(*kind.libraries)
            differ = ", ".join(f"{n} {v} (here {here.get(n)})" for n, v in there.items() if here.get(n) != v)
            raise ModelError(
                f"model {ref.uri} cannot be loaded: {type(error).__name__}: {error}. It was saved with "
                f"{differ or 'the same library versions as here'}"
            ) from error


def _one_job(estimator: Any) -> Any:
    """Without threads of its own: blocks are scored one a core already."""
    if hasattr(estimator, "get_params") and not isinstance(estimator, type):
        # None is one thread to scikit-learn and all of them to XGBoost.
        parameters = estimator.get_params(deep=True)
        jobs = {n: 1 for n, value in parameters.items() if n.rpartition("__")[2] == "n_jobs" and value != 1}
        if jobs:
            estimator.set_params(**jobs)
    return estimator


def other_versions(manifest: ModelManifest) -> dict[str, tuple[str | None, str | None]]:
    """Library -> (version it was trained with, version here), of those that differ and that predictions depend on."""
    libraries = flavor(manifest.flavor).libraries
    here = library_versions(*libraries)
    names = dict.fromkeys(("scikit-learn", *map(module_of, libraries)))
    both = {name: (manifest.libraries.get(name), here.get(name)) for name in names}
    return {name: versions for name, versions in both.items() if versions[0] != versions[1]}


def _warn_of_versions(ref: ModelRef, manifest: ModelManifest) -> None:
    for name, (there, here) in other_versions(manifest).items():
        log.warning(
            "model %s was trained with %s %s, this worker has %s: predictions may differ. Install the "
            "version it was trained with on the workers, or train it again",
            ref.uri,
            name,
            there,
            here,
        )
