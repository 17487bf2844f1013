"""Names of models: ``<uri>@<alias>``, ``<uri>/<version>``, and what they resolve to."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from airflow_batchscore.data import storage, swap
from airflow_batchscore.data.inside import read_inside
from airflow_batchscore.data.segments import require_plain
from airflow_batchscore.errors import ModelError, ModelMissingError
from airflow_batchscore.model.trust import TRUST_ALL, Trust

log = logging.getLogger(__name__)

#: What to do about a damaged version.
REPAIR = "Restore the file, or train with retrain=True, which writes a new version"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class ModelRef:
    """One version of a model, pinned by the digest of its estimator's bytes.

    Attributes:
        uri: folder of the version, ``<model_uri>/<version>``.
        digest: SHA-256 of the serialised estimator, as the artifact's ``model.json`` has it.
        conn_id: connection for the storage; None is the default one.
        manifest_digest: SHA-256 of ``model.json``, which holds the recipe; None where the model was not resolved.

    Raises InputError where a segment of the URI is no plain name.
    """

    uri: str
    digest: str
    conn_id: str | None = None
    manifest_digest: str | None = None

    def __post_init__(self) -> None:
        require_plain(self.uri, "model")

    @property
    def version(self) -> str:
        return self.uri.rpartition("/")[2]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> ModelRef:
        return cls(value["uri"], value["digest"], value.get("conn_id"), value.get("manifest_digest"))


def check_name(name: str, what: str) -> str:
    """A version or alias becomes part of a path: letters, digits, '.', '_' and '-', no leading dot."""
    if not _NAME.fullmatch(name):
        raise ModelError(f"{what} {name!r} is not usable: it must be letters, digits, '.', '_' or '-', at most 100")
    return name


def alias_uri(model_uri: str, alias: str) -> str:
    require_plain(model_uri, "model")
    return storage.join(model_uri, "aliases", f"{check_name(alias, 'alias')}.json")


def set_alias(model_uri: str, alias: str, ref: ModelRef, began: int) -> bool:
    """Point ``<model_uri>@<alias>`` at a version, in one atomic write. The artifact must be complete.

    Args:
        began: when the task did that moves it, in nanoseconds since 1970.

    Returns:
        False where a task that began later has moved it already: it is left there, whoever slept meanwhile.
    """
    _read_manifest(ref.uri, ref.conn_id)
    pointer = {"version": ref.version, "digest": ref.digest, "began": began}

    def change(there: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return None if there.get("began", 0) > pointer["began"] else pointer

    moved = swap.change_json(alias_uri(model_uri, alias), change, ref.conn_id)
    if not moved:
        log.warning(
            "%s@%s was moved meanwhile by a task that began later, and stays there: it does not point at %s",
            model_uri,
            alias,
            ref.version,
        )
    return moved


def resolve(model: str | Mapping[str, Any], conn_id: str | None = None, trust: Trust = TRUST_ALL) -> ModelRef:
    """Pin a model: read the alias or the version's ``model.json`` once, and take its digest.

    Args:
        model: ``"<uri>@<alias>"``, ``"<uri>/<version>"``, or what `TrainOperator` returned.
        trust: what must be true of the version.

    Raises:
        InputError: a segment of its name is no plain name, or a link leads out of its folder.
        ModelMissingError: the alias or version does not exist.
        ModelError: it does not agree with the digest it was given with, or is not to be trusted.
    """
    if isinstance(model, Mapping):
        return _resolve_version(str(model["model"]), conn_id, trust, expected=model.get("digest"))
    base, at, alias = model.rpartition("@")
    if not at or "/" in alias:
        return _resolve_version(model, conn_id, trust, expected=None)
    uri = alias_uri(base, alias)
    folders = trust.check_place(uri, conn_id)  # before anything is read there
    try:
        pointer = storage.parse_json(uri, read_inside(uri, conn_id, [base], *folders))
    except FileNotFoundError:
        raise ModelMissingError(
            f"model {model!r}: there is no alias {alias!r} at {base}; train a model and let CheckModelOperator promote "
            f"it (promote_to={alias!r}), or name a version"
        ) from None
    version = check_name(str(pointer["version"]), "version")
    return _resolve_version(storage.join(base, version), conn_id, trust, expected=pointer["digest"])


def _resolve_version(uri: str, conn_id: str | None, trust: Trust, expected: str | None) -> ModelRef:
    folders = trust.check_place(uri, conn_id)
    uri = uri.rstrip("/")
    check_name(uri.rpartition("/")[2], "version")
    data = _read_manifest(uri, conn_id, folders)
    trust.check_signature(uri, data, conn_id)
    digest = str(manifest_value(data, uri)["digest"])
    if expected is not None and digest != expected:
        raise ModelError(
            f"model {uri}: model.json says digest {digest[:12]}, but {expected[:12]} was pinned; the artifact was "
            "replaced after it was pinned. Train a new version instead of changing one"
        )
    return ModelRef(uri, digest, conn_id, hashlib.sha256(data).hexdigest())


def require_trusted(ref: ModelRef, conn_id: str | None, trust: Trust) -> None:
    """Raises ModelError when a pinned version is not to be trusted, or is another one by now."""
    if trust != TRUST_ALL and resolve({"model": ref.uri, "digest": ref.digest}, conn_id, trust) != ref:
        raise ModelError(f"model {ref.uri}: model.json is not the one that the run pinned; plan the run again")


def manifest_value(data: bytes, uri: str) -> dict[str, Any]:
    """The content of ``model.json``. Raises ModelError when it is not one."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ModelError(
            f"model {uri}: model.json is not JSON ({error}); it was altered or damaged. {REPAIR}"
        ) from error
    if not isinstance(value, dict) or not isinstance(value.get("digest"), str):
        raise ModelError(f"model {uri}: model.json names no digest; it was altered or damaged. {REPAIR}")
    return value


def _read_manifest(uri: str, conn_id: str | None, folders: Sequence[Sequence[str]] = ()) -> bytes:
    base = storage.parent(uri)
    try:
        return read_inside(storage.join(uri, "model.json"), conn_id, [base], *folders)
    except FileNotFoundError:
        pass
    name = uri.rpartition("/")[2]
    files = [file.uri for file in storage.list_files(base, conn_id, recursive=True)]
    paths = [file[len(base) + 1 :].split("/") for file in files if file.endswith("/model.json")]
    own = sorted(path[1] for path in paths if len(path) == 3 and path[0] == name)
    if own:
        raise ModelMissingError(
            f"model {uri!r} is a folder of versions ({', '.join(own[:20])}): name one of them, '{uri}/{own[0]}', or an "
            f"alias, '{uri}@champion'"
        )
    there = sorted(path[0] for path in paths if len(path) == 2)
    known = f"there are {', '.join(there[:20])}" if there else "there is none"
    raise ModelMissingError(f"model version {name!r} does not exist at {base}; {known}")
