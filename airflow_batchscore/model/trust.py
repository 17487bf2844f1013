"""Which model artifacts may be loaded: where they lie, and whether ``model.json`` is signed.

A joblib file is a pickle, and ``model.json`` can hold a recipe's function as one: loading runs what is in them. Digests
say that bytes are those which were pinned; they do not say who wrote them. The place and the signature do.

On a local disk a place is where a file really lies: a link does not bring a model to where it points from.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import dataclass, field

from airflow_batchscore.data import storage
from airflow_batchscore.data.inside import read_inside
from airflow_batchscore.data.segments import require_plain
from airflow_batchscore.errors import ModelError

_SUFFIX = ".hmac"


@dataclass(frozen=True)
class Trust:
    """What must be true of a version before anything of it is loaded.

    Args:
        prefixes: pairs of a connection (None where the storage knows none, such as a disk) and the URI of a folder. It
            must lie below one of the folders, and be read through its connection: the same URI can mean another
            server elsewhere. None is anywhere, for code that names the model itself; ``()`` is nowhere.
        key: for signatures. A signature that is there must be right where there is a key.
        require_signature: it must be there, too.
        types: that a skops file may hold beside those that skops knows to be harmless.
    """

    prefixes: tuple[tuple[str | None, str], ...] | None = None
    key: bytes | None = field(default=None, repr=False)
    require_signature: bool = False
    types: tuple[str, ...] = ()

    def check_place(self, uri: str, conn_id: str | None) -> list[tuple[str, ...]]:
        """The folders of which one must really hold what is read, for `read_inside`; none where it may lie anywhere.

        Raises:
            InputError: a segment of `uri` is no plain name.
            ModelError: it lies elsewhere.
        """
        require_plain(uri, "model")
        if self.prefixes is None:
            return []
        folders = tuple(folder for conn, folder in self.prefixes if conn == conn_id and storage.is_within(uri, folder))
        if not folders:
            known = ", ".join(f"{folder} by {conn}" if conn else folder for conn, folder in self.prefixes)
            by, real = f" by {conn_id}" if conn_id else "", storage.real(uri)
            link = f" really lies at {real}, which" if storage.is_local(uri) and real != os.path.abspath(uri) else ""
            raise ModelError(
                f"model {uri}{by}{link} lies below none of the trusted URIs "
                f"({known or 'there is none'}) and was not loaded. Name its folder in the DAG, train it there, or add "
                "the folder to [batchscore] trusted_model_uris"
            )
        return [folders]

    def check_signature(self, uri: str, manifest: bytes, conn_id: str | None) -> None:
        """Raises ModelError when the signature is wrong, or is missing where one is required."""
        if self.key is None:
            if self.require_signature:
                raise ModelError(
                    "[batchscore] require_signature is on, but there is no key: name a connection whose password is "
                    "the key in [batchscore] signing_conn_id"
                )
            return
        try:
            found = read_inside(storage.join(uri, signature_file(manifest)), conn_id, [storage.parent(uri)])
        except FileNotFoundError:
            if not any(file.uri.endswith(_SUFFIX) for file in storage.list_files(uri, conn_id)):
                if not self.require_signature:
                    return
                raise ModelError(
                    f"model {uri} is not signed and was not loaded; train it again with [batchscore] signing_conn_id "
                    "set"
                ) from None
            found = b""  # what was signed is another model.json
        if not hmac.compare_digest(found.strip(), sign(self.key, uri, manifest).encode()):
            raise ModelError(
                f"model {uri}: the signature does not fit model.json at this place. It was altered, copied from "
                "another place, or signed with another key or by an older version of this package, and was "
                "not loaded. Find out who wrote it, and train a new version"
            )


TRUST_ALL = Trust()


def sign(key: bytes, uri: str, manifest: bytes) -> str:
    """HMAC-SHA256 of a version's place, name and ``model.json``, in hexadecimal digits.

    One place has one spelling here: ``s3a://models/wta/1`` is signed as ``s3://models/wta/1``.
    """
    scheme, path = storage.split_scheme(uri)
    place, _, version = f"{scheme}://{path}".rstrip("/").rpartition("/")
    signed = {"model": place, "version": version, "model.json": hashlib.sha256(manifest).hexdigest()}
    return hmac.new(key, json.dumps(signed, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def signature_file(manifest: bytes) -> str:
    """The signature's name beside ``model.json``: of two who train a version at once, each writes its own."""
    return f"model-{hashlib.sha256(manifest).hexdigest()[:12]}{_SUFFIX}"
