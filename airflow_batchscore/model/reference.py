"""Names of models: ``<uri>@<alias>``, ``<uri>/<version>``, and what they resolve to."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TypedDict

from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.schema_version import require_schema
from airflow_batchscore.data.segments import require_plain
from airflow_batchscore.data.storage import Location, swap
from airflow_batchscore.data.storage.inside import read_inside
from airflow_batchscore.errors import ModelError, ModelMissingError
from airflow_batchscore.model.alias_history import moved
from airflow_batchscore.model.compiled.record import name_in
from airflow_batchscore.model.trust import OPEN_ACCESS, TRUST_ALL, ModelAccess, Trust

log = logging.getLogger(__name__)

#: Advice for a damaged version.
REPAIR = "Restore the file, or train with retrain=True, which writes a new version"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


#: Incremented when the fields of `GivenModel` change.
SCHEMA = 1


@dataclass(frozen=True)
class GivenModel:
    """A model as a task is given it: by name, or in what a task returned that trained, imported or checked it.

    Attributes:
        name: ``"<uri>@<alias>"`` or ``"<uri>/<version>"``; with fields if it stands for many models.
        digest: of the version that the other task returned, see `ModelRef`; None if there was only a name.
    """

    name: str
    digest: str | None = None

    def to_dict(self) -> JsonObject:
        """Plain JSON; a task that returns a model adds what it knows of it."""
        digest = {"digest": self.digest} if self.digest else {}
        return {"schema": SCHEMA, "model": self.name, **digest}

    @classmethod
    def from_dict(cls, value: JsonMapping) -> GivenModel:
        """The inverse of `to_dict`. Raises InputError for what another version of this package returned."""
        require_schema(
            value, SCHEMA, f"model {value.get('model')} was returned", "clear the task that trained or checked it"
        )
        return cls(value["model"], value.get("digest"))


class ModelRecord(TypedDict):
    """A `ModelRef` as a manifest names it."""

    uri: str
    digest: str
    conn_id: str | None
    manifest_digest: str | None
    compiled: str | None
    version: str


@dataclass(frozen=True)
class ModelRef:
    """One version of a model, pinned by the digest of its estimator's bytes.

    Attributes:
        uri: folder of the version, ``<model_uri>/<version>``.
        digest: SHA-256 of the serialised estimator, from the artifact's ``model.json``.
        conn_id: connection for the storage; None uses the default.
        manifest_digest: SHA-256 of ``model.json``, which contains the recipe; None if the model was not resolved.
        compiled: engine and digest of the compiled model that scores (``onedal:3f2a...``); None if the estimator's own
            library does.

    Raises InputError if a segment of the URI is not a plain name.
    """

    uri: str
    digest: str
    conn_id: str | None = None
    manifest_digest: str | None = None
    compiled: str | None = None

    def __post_init__(self) -> None:
        require_plain(self.uri, "model")

    @property
    def location(self) -> Location:
        return Location(self.uri, self.conn_id)

    @property
    def version(self) -> str:
        return self.location.name

    def to_dict(self) -> JsonObject:
        """Plain JSON for XCom and plans, which list many models: what is None is left out where it may be."""
        value = asdict(self)
        return value if self.compiled else {name: value[name] for name in value if name != "compiled"}

    def record(self) -> ModelRecord:
        """Plain JSON for manifests: `to_dict` and the version."""
        return {
            "uri": self.uri,
            "digest": self.digest,
            "conn_id": self.conn_id,
            "manifest_digest": self.manifest_digest,
            "compiled": self.compiled,
            "version": self.version,
        }

    @classmethod
    def from_dict(cls, value: JsonMapping) -> ModelRef:
        others = (value.get(name) for name in ("conn_id", "manifest_digest", "compiled"))
        return cls(value["uri"], value["digest"], *others)


def check_name(name: str, what: str) -> str:
    """Check a version or alias, which becomes part of a path: letters, digits, '.', '_' and '-', no leading dot."""
    if not _NAME.fullmatch(name):
        raise ModelError(f"{what} {name!r} is not usable: it must be letters, digits, '.', '_' or '-', at most 100")
    return name


def alias_uri(model_uri: str, alias: str) -> str:
    require_plain(model_uri, "model")
    return storage.join(model_uri, "aliases", f"{check_name(alias, 'alias')}.json")


def set_alias(model_uri: str, alias: str, ref: ModelRef, began: int, by: str = "") -> bool:
    """Point ``<model_uri>@<alias>`` at a version, in one atomic write. The artifact must be complete.

    Args:
        began: start of the task that moves it, in nanoseconds since 1970.
        by: who moves it, for its history: ``"<dag_id>/<run_id>"`` or a user's name.

    Returns:
        False if a task that began later has already moved it, in which case it is left unchanged.
    """
    _read_manifest(ref.location)

    def change(current: JsonMapping) -> JsonMapping | None:
        return None if current.get("began", 0) > began else moved(current, ref.version, ref.digest, began, by)

    is_moved = swap.change_json(ref.location.at(alias_uri(model_uri, alias)), change)
    if not is_moved:
        log.warning(
            "%s@%s was moved meanwhile by a task that began later, and stays there: it does not point at %s",
            model_uri,
            alias,
            ref.version,
        )
    return is_moved


def resolve(model: str | GivenModel, access: ModelAccess = OPEN_ACCESS) -> ModelRef:
    """Pin a model: read the alias or the version's ``model.json`` once, and take its digest.

    Args:
        model: ``"<uri>@<alias>"`` or ``"<uri>/<version>"``.
        access: the connection to read it through, and the conditions that the version must meet.

    Raises:
        InputError: a segment of its name is not a plain name, or a link leads out of its folder.
        ModelMissingError: the alias or version does not exist.
        ModelError: it does not match the digest it was given with, or is not trusted.
    """
    given = GivenModel(model) if isinstance(model, str) else model
    base, at, alias = given.name.rpartition("@")
    if not at or "/" in alias or given.digest is not None:
        return _resolve_version(given.name, access, given.digest)
    pointer_file = Location(alias_uri(base, alias), access.conn_id)
    folders = access.trust.check_place(pointer_file)  # before anything is read there
    try:
        pointer = storage.parse_json(pointer_file.uri, read_inside(pointer_file, [base], *folders))
    except FileNotFoundError:
        raise ModelMissingError(
            f"model {given.name!r}: there is no alias {alias!r} at {base}; train a model and let CheckModelOperator "
            f"promote it (promote_to={alias!r}), or name a version"
        ) from None
    version = check_name(str(pointer["version"]), "version")
    return _resolve_version(storage.join(base, version), access, expected=pointer["digest"])


def _resolve_version(uri: str, access: ModelAccess, expected: str | None) -> ModelRef:
    folders = access.trust.check_place(Location(uri, access.conn_id))
    version = Location(uri.rstrip("/"), access.conn_id)
    check_name(version.name, "version")
    data = _read_manifest(version, folders)
    access.trust.check_signature(version, data)
    value = manifest_value(data, version.uri)
    digest = str(value["digest"])
    if expected is not None and digest != expected:
        raise ModelError(
            f"model {version}: model.json says digest {digest[:12]}, but {expected[:12]} was pinned; the artifact was "
            "replaced after it was pinned. Train a new version instead of changing one"
        )
    manifest_digest = hashlib.sha256(data).hexdigest()
    return ModelRef(version.uri, digest, version.conn_id, manifest_digest, name_in(value))


def require_trusted(ref: ModelRef, trust: Trust) -> None:
    """Raise ModelError if a pinned version is not trusted or has changed since."""
    pinned = GivenModel(ref.uri, ref.digest)
    if trust != TRUST_ALL and resolve(pinned, ModelAccess(ref.conn_id, trust)) != ref:
        raise ModelError(f"model {ref.uri}: model.json is not the one that the run pinned; plan the run again")


def manifest_value(data: bytes, uri: str) -> JsonObject:
    """The content of ``model.json``. Raises ModelError if it is not valid."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ModelError(
            f"model {uri}: model.json is not JSON ({error}); it was altered or damaged. {REPAIR}"
        ) from error
    if not isinstance(value, dict) or not isinstance(value.get("digest"), str):
        raise ModelError(f"model {uri}: model.json names no digest; it was altered or damaged. {REPAIR}")
    return value


def _read_manifest(version: Location, folders: Sequence[Sequence[str]] = ()) -> bytes:
    model, name = version.parent, version.name
    try:
        return read_inside(version / "model.json", [model.uri], *folders)
    except FileNotFoundError:
        pass
    files = [file.uri for file in storage.list_files(model, recursive=True)]
    paths = [file[len(model.uri) + 1 :].split("/") for file in files if file.endswith("/model.json")]
    own = sorted(path[1] for path in paths if len(path) == 3 and path[0] == name)
    if own:
        raise ModelMissingError(
            f"model {version.uri!r} is a folder of versions ({', '.join(own[:20])}): name one of them, "
            f"'{version}/{own[0]}', or an alias, '{version}@champion'"
        )
    others = sorted(path[0] for path in paths if len(path) == 2)
    known = f"there are {', '.join(others[:20])}" if others else "there is none"
    raise ModelMissingError(f"model version {name!r} does not exist at {model}; {known}")
