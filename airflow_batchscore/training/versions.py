"""The versions of one identity: which one is reused, and where a new one goes.

The first is named by its identity alone (``4f1c...``), later ones are numbered (``4f1c...-2``): if the last one is
damaged or to be trained again, it is left unchanged and the next number is written. The highest number counts.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.segments import require_plain
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.model.compiled.onedal import LIBRARIES
from airflow_batchscore.model.flavors import Flavor
from airflow_batchscore.model.libraries import library_versions
from airflow_batchscore.model.reference import ModelRef, resolve
from airflow_batchscore.model.trust import ModelAccess, Trust
from airflow_batchscore.training.code import describe, flavor_code
from airflow_batchscore.training.metrics import metric_names

if TYPE_CHECKING:
    from airflow_batchscore.training.train import TrainingJob

log = logging.getLogger(__name__)


#: Increased when this package reads values or names columns differently: versions made by older rules are not reused.
_RULES = 3


@dataclass(frozen=True)
class Place:
    """Where the version of an identity lies or is to be written.

    Attributes:
        ref, manifest: of the existing, intact version; None if one is to be trained.
    """

    location: Location
    ref: ModelRef | None = None
    manifest: ModelManifest | None = None


def find_place(
    model: Location,
    identity: str,
    *,
    signing_key: bytes | None,
    retrain: str | None,
) -> Place:
    """The version to use, with every byte verified, or the place for a new one.

    Args:
        signing_key: with a key, a version without its signature is not used.
        retrain: identifies the run that wants its own version; None uses an existing one.

    Raises InputError if a segment of `model`'s URI is not a plain name: what is written there could not be loaded.
    """
    require_plain(model.uri, "model_uri")
    number = 0
    while storage.stat(_version(model, identity, number + 1) / "model.json") is not None:
        number += 1
    if number:
        version = _version(model, identity, number)
        trust = Trust(key=signing_key, require_signature=signing_key is not None)
        try:
            ref = resolve(version.uri, ModelAccess(version.conn_id, trust))
            manifest = artifact.verify(ref)
        except (InputError, ModelError) as error:
            log.warning("model %s is not used again, a new version is trained: %s", version, error)
        else:
            if retrain in (None, manifest.training.run):
                return Place(version, ref, manifest)
    return Place(_version(model, identity, number + 1))


def _version(model: Location, identity: str, number: int) -> Location:
    return model / (identity if number == 1 else f"{identity}-{number}")


def training_version(
    job: TrainingJob, estimator: object, kind: Flavor, partitions: Sequence[Partition], held_out: object, only: str
) -> str:
    """The version's name: twelve hexadecimal digits of the hash of all that determines the model and its metrics."""
    compilers = LIBRARIES if job.accelerate else ()
    libraries = library_versions(*kind.libraries, *compilers)
    used = {
        name: libraries.get(name)
        for name in ("scikit-learn", "numpy", *kind.libraries, *compilers)
        if name in libraries
    }
    inputs = {
        "files": [partition.fingerprint.files for partition in partitions],
        "held_out": [partition.fingerprint.files for partition in held_out] if isinstance(held_out, list) else [],
        "read": job.dataset.reading,
        "recipe": job.recipe.training_digest,
        "keys": job.recipe.keys,
        "estimator": describe(job.estimator, estimator),
        "holdout": str(job.holdout),
        "metrics": metric_names(job.metrics),
        "flavor": flavor_code(kind.name),
        "how": [job.learning_curve, job.incremental, only],
        "libraries": used,
        "rules": _RULES,
    }
    if job.accelerate:  # others keep the names that they had before there were compiled models
        inputs["accelerate"] = job.accelerate
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]
