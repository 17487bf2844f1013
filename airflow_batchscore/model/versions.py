"""The versions of one identity: which one is used again, and where a new one goes.

The first is named by its identity alone (``4f1c...``), later ones are numbered (``4f1c...-2``): where the last one is
damaged, or is to be trained again, it is left as it is and the next number is written. The highest number counts.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_batchscore.data import storage
from airflow_batchscore.data.segments import require_plain
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.model.reference import ModelRef, resolve
from airflow_batchscore.model.trust import Trust

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where the version of an identity lies, or is to be written.

    Attributes:
        ref, manifest: of the version that is there and whole; None where one is to be trained.
    """

    uri: str
    ref: ModelRef | None = None
    manifest: ModelManifest | None = None


def find_place(
    model_uri: str,
    identity: str,
    *,
    conn_id: str | None,
    signing_key: bytes | None,
    retrain: str | None,
) -> Place:
    """The version to use, every byte of it verified, or the place for a new one.

    Args:
        signing_key: a version without its signature is not used.
        retrain: names the run that wants a version of its own; None takes what is there.

    Raises InputError where a segment of `model_uri` is no plain name: what is written there could not be loaded.
    """
    require_plain(model_uri, "model_uri")
    number = 0
    while storage.stat(storage.join(_uri(model_uri, identity, number + 1), "model.json"), conn_id) is not None:
        number += 1
    if number:
        uri = _uri(model_uri, identity, number)
        try:
            ref = resolve(uri, conn_id, Trust(key=signing_key, require_signature=signing_key is not None))
            manifest = artifact.verify(ref)
        except (InputError, ModelError) as error:
            log.warning("model %s is not used again, a new version is trained: %s", uri, error)
        else:
            if retrain in (None, manifest.training.get("run")):
                return Place(uri, ref, manifest)
    return Place(_uri(model_uri, identity, number + 1))


def _uri(model_uri: str, identity: str, number: int) -> str:
    return storage.join(model_uri, identity if number == 1 else f"{identity}-{number}")
