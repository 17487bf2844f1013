"""Which model artifacts may be loaded: where they lie, and whether ``model.json`` is signed.

A joblib file is a pickle, and ``model.json`` can hold a recipe's function as one: loading runs what is in them. Digests
say that bytes are those which were pinned; they do not say who wrote them. The place and the signature do.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from airflow_batchscore.data import storage
from airflow_batchscore.data.segments import require_plain
from airflow_batchscore.errors import ModelError

_SUFFIX = ".hmac"


@dataclass(frozen=True)
class Trust:
    """What must be true of a version before anything of it is loaded.

    Args:
        prefixes: connections, by the names that they are registered under, and URIs of the folders below which it
            must lie; None: anywhere.
        key: for signatures. A signature that is there must be right where there is a key.
        require_signature: it must be there, too.
        types: that a skops file may hold beside those that skops knows to be harmless.
    """

    prefixes: tuple[tuple[str | None, str], ...] | None = None
    key: bytes | None = field(default=None, repr=False)
    require_signature: bool = False
    types: tuple[str, ...] = ()

    def check_place(self, uri: str, conn_id: str | None) -> None:
        """Raises ModelError for a version that lies elsewhere."""
        require_plain(uri, "model")
        if self.prefixes is None or any(
            conn_id == conn and storage.is_below(uri, folder) for conn, folder in self.prefixes
        ):
            return
        trusted = ", ".join(f"{conn}@{folder}" if conn else folder for conn, folder in self.prefixes)
        raise ModelError(
            f"model {uri}{f' (connection {conn_id})' if conn_id else ''} lies below none of the folders that "
            f"this task may load models from ({trusted or 'there is none'}), and was not loaded. Train it there, name "
            "its folder in the DAG, or add it to [batchscore] trusted_model_uris"
        )

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
            found = storage.read_bytes(storage.join(uri, signature_file(manifest)), conn_id)
        except FileNotFoundError:
            if not any(file.uri.endswith(_SUFFIX) for file in storage.list_files(uri, conn_id)):
                if not self.require_signature:
                    return
                raise ModelError(
                    f"model {uri} is not signed and was not loaded; train it again with [batchscore] signing_conn_id "
                    "set"
                ) from None
            found = b""  # what was signed is another model.json
        if not hmac.compare_digest(found.strip(), sign(self.key, manifest).encode()):
            raise ModelError(
                f"model {uri}: the signature does not fit model.json. It was altered, or signed with another key, and "
                "was not loaded. Find out who wrote it, and train a new version"
            )


TRUST_ALL = Trust()


def sign(key: bytes, manifest: bytes) -> str:
    """HMAC-SHA256 of ``model.json``, in hexadecimal digits."""
    return hmac.new(key, manifest, hashlib.sha256).hexdigest()


def signature_file(manifest: bytes) -> str:
    """The signature's name beside ``model.json``: of two who train a version at once, each writes its own."""
    return f"model-{hashlib.sha256(manifest).hexdigest()[:12]}{_SUFFIX}"
