"""The numbers of an identity's manifests, of which the highest counts; see `manifest`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.storage import Location

#: In the place of a manifest's format: the scores before it were removed.
REMOVED = "removed"
#: A note of that has fewer bytes, a manifest more.
NOTE_BYTES = 200
_FOLDER = "manifests"
_NAME = re.compile(r"(\d{6,})\.json")


def numbered(folder: Location, number: int) -> Location:
    """The manifest with that number, below an identity's folder."""
    return folder / _FOLDER / f"{number:06d}.json"


def revoke(folder: Location, number: int) -> bool:
    """Take the next number after `number`, the newest one that was seen, with the note that the scores were removed.

    Who removes staged scores does so before the first file goes: from then on the partition is not committed, and no
    scorer that began before can commit.

    Returns False if somebody took it meanwhile: the scores are in use, and nothing may be removed.
    """
    return storage.create_bytes(numbered(folder, number + 1), storage.json_bytes(_note()))


def empty(manifest: Location) -> None:
    """Put the note in the place of a revoked manifest, whose number must not be free again.

    A scorer that began before it would take the number, and take what it wrote for committed.
    """
    storage.write_json(manifest, _note())


def _note() -> JsonObject:
    return {"format": REMOVED, "time": datetime.now(UTC).isoformat(timespec="seconds")}


def number_of(name: str) -> int | None:
    """The number of a manifest by its path below the identity's folder; None for any other file."""
    folder, _, file = name.rpartition("/")
    match = _NAME.fullmatch(file)
    return int(match[1]) if match and folder == _FOLDER else None


def newest_number(folder: Location) -> int:
    """The number of the manifest that counts, by one small listing; 0 if the identity is not committed."""
    names = (file.uri.rpartition("/")[2] for file in storage.list_files(folder / _FOLDER))
    return max((int(match[1]) for match in map(_NAME.fullmatch, names) if match), default=0)
