"""Model artifacts: save, load, verify.

``<model_uri>/<version>/`` holds the estimator's file, named by its digest, and ``model.json``, written last: without
it, the version does not exist. Everything is checked before loading: the SHA-256 of the bytes against ``model.json``,
and that in turn against the digest that the run pinned when it planned.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import airflow_batchscore
from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.compiled.record import CompiledRecord
from airflow_batchscore.model.flavors.base import TrainedWith
from airflow_batchscore.model.libraries import library_versions
from airflow_batchscore.model.loaded import LoadedModel
from airflow_batchscore.model.model_code import Code, check_code
from airflow_batchscore.model.opening import VerifiedBytes, deserialise, read_file, verified_bytes
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.reference import REPAIR, ModelRef, manifest_value
from airflow_batchscore.model.training_record import TrainingRecord
from airflow_batchscore.model.trust import sign, signature_file
from airflow_batchscore.quality.profile import ReferenceProfile

_FORMAT = 1
#: Serialised bytes of the models a process keeps loaded; in memory they are about as large.
CACHE_BYTES = 512 << 20


@dataclass(frozen=True)
class Signature:
    """What a model expects.

    Attributes:
        raw: raw column -> type name (``float64``, ``int64``, ``bool``, ``string``, or an Arrow name such as
            ``timestamp[us]``) as found in training; None uses the type in the file.
        features: feature names in input order.
        outputs: method -> output column -> Arrow type.
        matrix: methods with the same result for a plain matrix as for a DataFrame, so scoring needs no pandas.
        labels: method -> output column -> what it represents (a class, a pair of classes, a feature); its name may
            express this differently or only by position.
        whole_names: whether the training frame's column names are integers rather than text.
    """

    raw: dict[str, str | None]
    features: tuple[str, ...]
    outputs: dict[str, dict[str, str]]
    matrix: tuple[str, ...] = ()
    labels: dict[str, JsonObject] = field(default_factory=dict)
    whole_names: bool = False


@dataclass(frozen=True)
class ModelManifest:
    """The content of ``model.json``.

    Attributes:
        code: import path -> digest, at training time, of the user's own classes and functions that make up the
            estimator.
        packages: names of the installed packages that it uses.
        compiled: the trees of the estimator, compiled; None if its library scores.
        libraries: versions where the model was saved and checked.
        trained_with: the environment of a model made elsewhere, if its file says so.
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
    training: TrainingRecord
    profile: ReferenceProfile
    created: str
    code: dict[str, str]
    packages: list[str]
    compiled: CompiledRecord | None = None
    libraries: dict[str, str] = field(default_factory=library_versions)
    trained_with: TrainedWith | None = None
    format: int = _FORMAT

    def to_dict(self) -> JsonObject:
        fields = {name: value for name, value in vars(self).items() if name not in ("signature", "recipe")}
        nested = {  # keep their place in the file
            "training": self.training.to_dict(),
            "profile": asdict(self.profile),
            "compiled": asdict(self.compiled) if self.compiled else None,
            "trained_with": asdict(self.trained_with) if self.trained_with else None,
        }
        return fields | nested | {"signature": asdict(self.signature), "recipe": self.recipe.to_dict()}

    @classmethod
    def from_dict(cls, value: JsonMapping, uri: str) -> ModelManifest:
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
                    "training": TrainingRecord.from_dict(value["training"]),
                    "profile": ReferenceProfile.from_dict(value["profile"]),
                    "compiled": CompiledRecord(**value["compiled"]) if value.get("compiled") else None,
                    "trained_with": TrainedWith(**value["trained_with"]) if value.get("trained_with") else None,
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{uri}/model.json is not whole ({error!r}). {REPAIR}") from error


def read_manifest(ref: ModelRef) -> ModelManifest:
    """``model.json`` of a pinned version. Raises ModelError if it is gone or not the one pinned."""
    try:
        data = read_file(ref, "model.json")
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


def save(
    version: Location,
    data: bytes,
    manifest: ModelManifest,
    signing_key: bytes | None = None,
    compiled: bytes | None = None,
) -> ModelRef | None:
    """Write a version, into its own folder. ``model.json`` is written last and commits it.

    Args:
        compiled: bytes of ``manifest.compiled``.

    Returns:
        None if the version already exists: if two processes save one at the same time, the first one wins.
    """
    storage.write_bytes(version / manifest.file, data)
    if manifest.compiled is not None and compiled is not None:
        storage.write_bytes(version / manifest.compiled.file, compiled)
    described = storage.json_bytes(manifest.to_dict())
    if signing_key is not None:
        signature = sign(signing_key, version.uri, described).encode()
        storage.write_bytes(version / signature_file(described), signature)
    if not storage.create_bytes(version / "model.json", described):
        return None
    return ModelRef(
        version.uri,
        manifest.digest,
        version.conn_id,
        hashlib.sha256(described).hexdigest(),
        manifest.compiled.name if manifest.compiled else None,
    )


class _Cache:
    """Loaded models, keyed by everything that loading checks; the least recently used are evicted at the byte limit."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, tuple[LoadedModel, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, ref: ModelRef, trusted_types: Sequence[str], code: Code | None) -> LoadedModel:
        key = (ref, tuple(trusted_types), code)
        with self._lock:
            if key not in self._kept:
                manifest = read_manifest(ref)
                if code is not None:
                    check_code(manifest, code, ref.uri)
                data: VerifiedBytes = verified_bytes(ref, manifest)
                read = partial(deserialise, ref, manifest, data, trusted_types)
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
    """Load the model, once per process regardless of the number of threads, and keep it within `CACHE_BYTES`.

    Args:
        trusted_types: see `Trust`.
        code: what `model_code` returned where the work was planned; None accepts the local code.

    Raises:
        ModelError: the bytes do not match the digest. Nothing was deserialised.
        EngineError: the code that the model runs is not the task's.
    """
    return _loaded.get(ref, trusted_types, code)


def verify(ref: ModelRef) -> ModelManifest:
    """Return the content of ``model.json`` after verifying every byte of the version. Nothing is deserialised.

    Raises ModelError unless the bytes match the digest.
    """
    manifest = read_manifest(ref)
    verified_bytes(ref, manifest)
    return manifest
