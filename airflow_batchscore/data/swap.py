"""Replace a file only while it is the one that was looked at: what keeps publications in order.

On a local disk that is decided under an exclusive lock, on S3 by the store (a PUT with ``If-Match``, for which boto3
must be installed). Any other store is looked at once more right before the write: of two writers within the time of
one upload the last one wins there.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from airflow_batchscore.data import local, opened, s3, storage
from airflow_batchscore.data.store_errors import reading, writing

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Longer than any decision takes that is made under a lock; a process that was stopped in one must not stop all others.
_LOCK_SECONDS = 60.0
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)
#: How often a small file is read and changed again when others change it meanwhile.
_ATTEMPTS = 50
_BUSY = "is changed by other processes all the time; try again when they are done"


@dataclass(frozen=True)
class Seen:
    """A file as it was when it was looked at.

    Attributes:
        tag: another one when the file is replaced: inode, size and time on a local disk, the ETag on S3.
        note: what `replacing` was told to leave with it, on S3; None elsewhere.
    """

    tag: str
    note: str | None = None


@dataclass
class Replacement:
    """What `replacing` gives: write `path`; `done` says afterwards whether it took its place.

    Attributes:
        note: a short text to leave with the file; only S3 keeps it.
        before: called right before the step, on a local disk under the lock; it may raise to prevent it.
    """

    path: Path
    note: str | None = None
    before: Callable[[], None] | None = None
    done: bool = False


def keeps_notes(uri: str) -> bool:
    """Whether a note stays with a file: on S3, where it is part of the object."""
    return storage.has_conditions(uri)


def look(uri: str, conn_id: str | None = None) -> Seen | None:
    """The file that is there now; None where there is none."""
    scheme, path = storage.split_scheme(uri)
    if scheme == "file":
        return _look_local(Path(path), uri)
    if keeps_notes(uri):
        with reading(uri):
            found = s3.head(path, conn_id)
        return None if found is None else Seen(*found)
    try:
        stamp = opened.look(uri, conn_id)
    except FileNotFoundError:
        return None
    return Seen(f"{stamp.size}-{stamp.tag}-{stamp.changed}")


def read_seen(uri: str, read: Callable[[Seen], T], conn_id: str | None = None) -> tuple[Seen | None, T | None]:
    """The file that is there now, and what `read` makes of it; None twice where there is none.

    Of an object that is replaced while it is read one can get the end of another: what `read` raises counts only if the
    file is still the same. What it returns is as old as what was seen, or newer.
    """
    for _ in range(_ATTEMPTS):
        seen = look(uri, conn_id)
        if seen is None:
            return None, None
        try:
            return seen, read(seen)
        except Exception:
            if look(uri, conn_id) == seen:
                raise
    raise OSError(f"{uri} {_BUSY}")


def read_json(uri: str, conn_id: str | None = None) -> tuple[Seen | None, dict[str, Any]]:
    """A small JSON object that others may be changing; an empty one where there is none."""
    seen, value = read_seen(uri, lambda _: storage.parse_json(uri, storage.read_bytes(uri, conn_id)), conn_id)
    return seen, value or {}


def _look_local(path: Path, uri: str) -> Seen | None:
    try:
        with reading(uri):
            found = path.stat()
    except FileNotFoundError:
        return None
    return Seen(f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}")


@contextmanager
def replacing(uri: str, seen: Seen | None, conn_id: str | None = None) -> Iterator[Replacement]:
    """A local path to write; at the end of the block it becomes `uri` in one step, if that is still what was seen.

    Args:
        seen: what `look` gave; None: there must be no file.
    """
    scheme, place = storage.split_scheme(uri)
    if scheme != "file":
        with local.scratch_file() as path:
            new = Replacement(path)
            yield new
            new.done = _upload(new, uri, seen, conn_id)
        return
    target = Path(place)

    def take_place(path: Path, target: Path) -> None:
        with locked(uri):
            if _look_local(target, uri) == seen:
                if new.before is not None:
                    new.before()
                os.replace(path, target)
                new.done = True

    with local.atomic_file(target, uri, take_place) as path:
        new = Replacement(path)
        yield new


def _upload(new: Replacement, uri: str, seen: Seen | None, conn_id: str | None) -> bool:
    _, path = storage.split_scheme(uri)
    if new.before is not None:
        new.before()
    if keeps_notes(uri):
        with writing(uri):
            return s3.put_if(path, new.path, seen.tag if seen else None, conn_id, note=new.note)
    if look(uri, conn_id) != seen:
        return False
    storage.upload(new.path, uri, conn_id)
    return True


def change_json(
    uri: str, change: Callable[[Mapping[str, Any]], Mapping[str, Any] | None], conn_id: str | None = None
) -> bool:
    """Read a small JSON object (an empty one where there is none), change it, and write it if nobody else did.

    Args:
        change: gives the new object, or None to leave what is there. Called again when another process was faster.

    Returns:
        Whether it was written.
    """
    for _ in range(_ATTEMPTS):
        seen, there = read_json(uri, conn_id)
        value = change(there)
        if value is None:
            return False
        with replacing(uri, seen, conn_id) as new:
            new.path.write_bytes(storage.json_bytes(value))
        if new.done:
            return True
    raise OSError(f"{uri} {_BUSY}")


@contextmanager
def locked(uri: str) -> Iterator[None]:
    """Alone among all processes that ask for it, on every machine that shares the disk. Not to be nested."""
    target = Path(storage.split_scheme(uri)[1])
    lock = target.with_name(f".{target.name}.lock")
    with writing(uri):
        descriptor = _open_lock(lock)
    try:
        _take(descriptor, lock)
        yield
    finally:
        os.close(descriptor)


def _open_lock(lock: Path) -> int:
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:  # another user's; to lock it on a local disk, reading will do
        return os.open(lock, os.O_RDONLY | os.O_CLOEXEC)


def _take(descriptor: int, lock: Path) -> None:
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno in _NO_LOCKS:
                log.warning(
                    "%s: this file system has no locks (%s); let one process at a time publish here", lock, error
                )
                return
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise OSError(f"cannot lock {lock}: {error}") from error
            if time.monotonic() > end:
                raise OSError(
                    f"{lock} has been locked for {_LOCK_SECONDS:.0f} s: find the process that holds it (`fuser` names "
                    "it), which may have been stopped, and end it"
                ) from error
        time.sleep(0.02)
