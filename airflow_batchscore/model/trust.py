"""Which model artifacts may be loaded: by location, and by signature of ``model.json``.

A joblib file is a pickle, and ``model.json`` can hold a pickled recipe function: loading runs the code in them. Digests
prove that bytes are the pinned ones, not who wrote them. The location and the signature do.

On a local disk, the location is where a file really lies: a link in a trusted folder does not make its target trusted.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import dataclass, field

from airflow_batchscore.data import storage
from airflow_batchscore.data.segments import require_plain
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.inside import read_inside
from airflow_batchscore.errors import ModelError

_SUFFIX = ".hmac"


@dataclass(frozen=True)
class Trust:
    """Conditions that a version must meet before any of it is loaded.

    Args:
        prefixes: folders, each with its connection. The model must lie below one of them and be read through its
            connection: the same URI can mean another server elsewhere. None allows any location, for code that names
            the model itself; ``()`` allows none.
        key: for signatures. With a key, an existing signature must be valid.
        require_signature: whether a signature is required.
        types: allowed in a skops file in addition to those that skops knows to be harmless.
    """

    prefixes: tuple[Location, ...] | None = None
    key: bytes | None = field(default=None, repr=False)
    require_signature: bool = False
    types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ModelError for a prefix that is not a `Location`: without its connection it means nothing."""
        for prefix in self.prefixes or ():
            if not isinstance(prefix, Location):
                raise ModelError(f"Trust(prefixes=...): give a Location(uri, conn_id), not {prefix!r}")

    def check_place(self, location: Location) -> list[tuple[str, ...]]:
        """The folders for `read_inside`, one of which must really contain the file; empty if any location is allowed.

        Raises:
            InputError: a segment of the URI is not a plain name.
            ModelError: it lies elsewhere.
        """
        require_plain(location.uri, "model")
        if self.prefixes is None:
            return []
        folders = tuple(folder.uri for folder in self.prefixes if location.is_within(folder))
        if not folders:
            known = ", ".join(folder.described for folder in self.prefixes)
            real = storage.real(location.uri)
            is_link = location.is_local and real != os.path.abspath(location.uri)
            link = f" really lies at {real}, which" if is_link else ""
            raise ModelError(
                f"model {location.described}{link} lies below none of the trusted URIs "
                f"({known or 'there is none'}) and was not loaded. Name its folder in the DAG, train it there, or add "
                "the folder to [batchscore] trusted_model_uris (by hand: to trust=, or --trusted)"
            )
        return [folders]

    def check_signature(self, version: Location, manifest: bytes) -> None:
        """Raise ModelError if the signature is wrong, or is missing although required."""
        if self.key is None:
            if self.require_signature:
                raise ModelError(
                    "[batchscore] require_signature is on, but there is no key: name a connection whose password is "
                    "the key in [batchscore] signing_conn_id"
                )
            return
        try:
            signature = read_inside(version / signature_file(manifest), [version.parent.uri])
        except FileNotFoundError:
            if not any(file.uri.endswith(_SUFFIX) for file in storage.list_files(version)):
                if not self.require_signature:
                    return
                raise ModelError(
                    f"model {version} is not signed and was not loaded; train it again with [batchscore] "
                    "signing_conn_id set"
                ) from None
            signature = b""  # what was signed is another model.json
        if not hmac.compare_digest(signature.strip(), sign(self.key, version.uri, manifest).encode()):
            raise ModelError(
                f"model {version}: the signature does not fit model.json at this place. It was altered, copied from "
                "another place, or signed with another key or by an older version of this package, and was "
                "not loaded. Find out who wrote it, and train a new version"
            )


TRUST_ALL = Trust()


@dataclass(frozen=True)
class ModelAccess:
    """How models are read: through which connection, and which of them may be loaded."""

    conn_id: str | None = None
    trust: Trust = TRUST_ALL


#: For storage that needs no connection, and code that names the model itself.
OPEN_ACCESS = ModelAccess()


def sign(key: bytes, uri: str, manifest: bytes) -> str:
    """HMAC-SHA256 of a version's location, name and ``model.json``, in hexadecimal.

    A location has one spelling here: ``s3a://models/wta/1`` is signed as ``s3://models/wta/1``.
    """
    scheme, path = storage.split_scheme(uri)
    place, _, version = f"{scheme}://{path}".rstrip("/").rpartition("/")
    signed = {"model": place, "version": version, "model.json": hashlib.sha256(manifest).hexdigest()}
    return hmac.new(key, json.dumps(signed, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def signature_file(manifest: bytes) -> str:
    """The signature's file name beside ``model.json``: if two tasks train a version at once, each writes its own."""
    return f"model-{hashlib.sha256(manifest).hexdigest()[:12]}{_SUFFIX}"
