"""Opens the files of a version: checks every byte, and only then deserialises."""

from __future__ import annotations

import hashlib
import logging
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.version import Version

from airflow_batchscore.data.storage.inside import read_inside
from airflow_batchscore.errors import ModelError, listed
from airflow_batchscore.model import made_with
from airflow_batchscore.model.compiled.estimators import with_compiled
from airflow_batchscore.model.compiled.onedal import PREDICTS
from airflow_batchscore.model.compiled.stored import Stored
from airflow_batchscore.model.estimators import one_job, unwrap
from airflow_batchscore.model.flavors import flavor
from airflow_batchscore.model.ignored_warnings import ignored
from airflow_batchscore.model.libraries import library_versions, module_of
from airflow_batchscore.model.reference import REPAIR, ModelRef

if TYPE_CHECKING:
    from airflow_batchscore.model.artifact import ModelManifest

log = logging.getLogger(__name__)


class VerifiedBytes(NamedTuple):
    """The estimator's file, and the compiled model's if there is one. Their digests are those of ``model.json``."""

    estimator: bytes
    compiled: bytes | None

    def __len__(self) -> int:
        return len(self.estimator) + len(self.compiled or b"")


def read_file(ref: ModelRef, name: str) -> bytes:
    """A file of a version, which must really lie in the model's folder. Raises FileNotFoundError."""
    return read_inside(ref.location / name, [ref.location.parent.uri])


def verified_bytes(ref: ModelRef, manifest: ModelManifest) -> VerifiedBytes:
    """The version's bytes. Raises ModelError unless they match the digests."""
    compiled = manifest.compiled
    if ref.compiled not in (None, compiled and compiled.name):
        raise ModelError(
            f"model {ref.uri}: the run pinned the compiled model {ref.compiled}, model.json says "
            f"{compiled.name if compiled else 'that there is none'}. Plan the run again"
        )
    return VerifiedBytes(
        _verified(ref, manifest.file, ref.digest), _verified(ref, compiled.file, compiled.digest) if compiled else None
    )


def _verified(ref: ModelRef, written: str, expected: str) -> bytes:
    name = written.rpartition("/")[2]
    file = ref.location / name
    try:
        data = read_file(ref, name)
    except FileNotFoundError as error:
        raise ModelError(f"model {ref.uri}: {file} is missing, the version is not complete. {REPAIR}") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected:
        raise ModelError(
            f"model {ref.uri}: the bytes of {file} have SHA-256 {digest[:12]}, model.json says {expected[:12]}. "
            f"The file was altered or damaged and was not loaded. {REPAIR}"
        )
    return data


def deserialise(ref: ModelRef, manifest: ModelManifest, data: VerifiedBytes, trusted_types: Sequence[str]) -> Any:
    """What predicts: the estimator, with its compiled methods if the reference names them. Raises ModelError."""
    kind = flavor(manifest.flavor)
    _warn_of_versions(ref, manifest)
    with ignored("Trying to unpickle estimator"):  # reported more clearly above
        try:
            estimator = one_job(unwrap(kind.load(data.estimator, trusted_types)))
            if ref.compiled is None or data.compiled is None:
                return estimator
            return with_compiled(estimator, Stored.from_bytes(data.compiled))
        except ModelError as error:
            raise ModelError(f"model {ref.uri} was not loaded: {error}") from error
        except Exception as error:
            saved, here = manifest.libraries, library_versions(*kind.libraries)
            differ = ", ".join(f"{n} {v} (here {here.get(n)})" for n, v in saved.items() if here.get(n) != v)
            raise ModelError(
                f"model {ref.uri} cannot be loaded: {type(error).__name__}: {error}. It was saved with "
                f"{differ or 'the same library versions as here'}{made_with.cure(other_versions(manifest))}"
            ) from error


def other_versions(manifest: ModelManifest) -> made_with.Versions:
    """Library -> (version at training, version here), for those that differ and that predictions depend on."""
    libraries = flavor(manifest.flavor).libraries
    here = library_versions(*libraries)
    names = dict.fromkeys(("scikit-learn", *map(module_of, libraries)))
    both = {name: (manifest.libraries.get(name), here.get(name)) for name in names}
    if manifest.compiled is not None:
        both |= {name: (manifest.compiled.libraries.get(name), library_versions(name).get(name)) for name in PREDICTS}
    return {name: versions for name, versions in both.items() if versions[0] != versions[1]}


def _warn_of_versions(ref: ModelRef, manifest: ModelManifest) -> None:
    for name, (trained, here) in other_versions(manifest).items():
        log.warning(
            "model %s was trained with %s %s, this worker has %s: predictions may differ. Install the "
            "version it was trained with on the workers, or train it again",
            ref.uri,
            name,
            trained,
            here,
        )
    differ = [f"{name} {trained} (here {here})" for name, trained, here in _other_environment(manifest)]
    if differ:
        log.warning(
            "model %s was trained in an environment with %s: predictions may differ. Score it where these are "
            "installed: LocalDask(environment=[...])",
            ref.uri,
            listed(differ),
        )


def _other_environment(manifest: ModelManifest) -> list[tuple[str, str, str]]:
    """Package, version in the environment that the model's maker recorded, version here; of those that differ."""
    recorded = manifest.trained_with
    if recorded is None:
        return []
    known = [(name, trained, _version_here(name)) for name, trained in recorded.versions.items()]
    if recorded.python is not None:
        minor = ".".join(recorded.python.split(".")[:2])
        known.insert(0, ("Python", minor, ".".join(platform.python_version_tuple()[:2])))
    return [(name, trained, here or "not installed") for name, trained, here in known if not _is_same(trained, here)]


def _is_same(trained: str, here: str | None) -> bool:
    """Builds of one version count as the same: ``2.6.0+cpu`` is ``2.6.0``."""
    return here is not None and Version(here).public == Version(trained).public


def _version_here(name: str) -> str | None:
    """Of a package, or of the smaller build of it that has the same modules."""
    return library_versions(name, f"{name}-skinny", f"{name}-cpu").get(module_of(name))
