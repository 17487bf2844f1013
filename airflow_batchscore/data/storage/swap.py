"""Replaces a file only while it is the one seen before: this keeps publications in order.

On a local disk this is decided under an exclusive lock, elsewhere by the store (see `ObjectStore.decides`). A store
that does not decide is rechecked immediately before the write: of two writers within the time of one upload, the last
one wins there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.storage import files, local_disk
from airflow_batchscore.data.storage.driver import Seen
from airflow_batchscore.data.storage.errors import reading, writing
from airflow_batchscore.data.storage.location import Location
from airflow_batchscore.data.storage.uris import locate

T = TypeVar("T")

#: How often to reread and change a small file when others change it meanwhile.
_ATTEMPTS = 50
_BUSY = "is being changed by other processes again and again; try again when they are done"


@dataclass
class Replacement:
    """What `replacing` yields: write to `path`; afterwards `done` says whether it took effect.

    Attributes:
        note: a short text to store with the file, if `keeps_notes`.
        before: called immediately before the step, on a local disk under the lock; it may raise to prevent it.
    """

    path: Path
    note: str | None = None
    before: Callable[[], None] | None = None
    done: bool = False


def keeps_notes(uri: str) -> bool:
    """Whether a note is kept with a file: in a store that decides, where it is part of the object."""
    return locate(uri)[0].keeps_notes


def current(location: Location) -> Seen | None:
    """The current file; None if there is none."""
    driver, path = locate(location.uri)
    with reading(location.uri):
        return driver.current(path, location.conn_id)


def read_seen(location: Location, read: Callable[[Seen], T]) -> tuple[Seen | None, T | None]:
    """The current file, and what `read` returns for it; None for both if there is no file.

    Reading an object while it is replaced can return the end of another: an error from `read` counts only if the file
    is still the same. The value it returns is as old as what was seen, or newer.
    """
    for _ in range(_ATTEMPTS):
        seen = current(location)
        if seen is None:
            return None, None
        try:
            return seen, read(seen)
        except Exception:
            if current(location) == seen:
                raise
    raise OSError(f"{location} {_BUSY}")


def read_json(location: Location) -> tuple[Seen | None, JsonObject]:
    """A small JSON object that others may be changing; empty if there is none."""
    seen, value = read_seen(location, lambda _: files.parse_json(location.uri, files.read_bytes(location)))
    return seen, value or {}


@contextmanager
def replacing(location: Location, seen: Seen | None) -> Iterator[Replacement]:
    """Yield a local path to write; when the block ends it takes its place in one step if `location` is unchanged.

    Args:
        seen: the result of `current`; None means there must be no file.
    """
    with files.new_file(location.uri) as (driver, path, whole):
        new = Replacement(whole)
        yield new
        with writing(location.uri):
            new.done = driver.replace(whole, path, seen, location.conn_id, note=new.note, before=new.before)


def change_json(location: Location, change: Callable[[JsonMapping], JsonMapping | None]) -> bool:
    """Read a small JSON object (empty if there is none), change it, and write it if nobody else did.

    Args:
        change: returns the new object, or None to keep the existing one. Called again if another process was faster.

    Returns:
        Whether it was written.
    """
    for _ in range(_ATTEMPTS):
        seen, current = read_json(location)
        value = change(current)
        if value is None:
            return False
        with replacing(location, seen) as new:
            new.path.write_bytes(files.json_bytes(value))
        if new.done:
            return True
    raise OSError(f"{location} {_BUSY}")


@contextmanager
def locked(uri: str) -> Iterator[None]:
    """Hold an exclusive lock on `uri`, on a local disk, among all processes that share it. Do not nest."""
    with ExitStack() as held:
        with writing(uri):
            held.enter_context(local_disk.locked(locate(uri)[1]))
        yield
