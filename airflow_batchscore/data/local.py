"""Files on a local (or mounted) disk that appear whole or not at all."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path

from airflow_batchscore.data.store_errors import writing

#: Writing over an existing path keeps the reader of the old file whole: files appear by rename.
_TEMPORARY = ".tmp-"
_SWEEP_SECONDS = 60


@contextmanager
def atomic_file(target: Path, uri: str) -> Iterator[Path]:
    """A path to write beside `target`, which is renamed onto it at the end of the block; `uri` is for messages."""
    with writing(uri):
        target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    with _temporary(target, uri) as path:
        yield path
        _settle(path, uri)
        os.replace(path, target)


def create(target: Path, data: bytes, uri: str) -> bool:
    """Write a small file unless there is one; False when there is. Of several processes at once one wins."""
    with writing(uri):
        target.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(target, uri) as path:
        with writing(uri):
            path.write_bytes(data)
        _settle(path, uri)
        try:
            os.link(path, target)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if target.exists():
                return False
            os.replace(path, target)
    return True


@contextmanager
def _temporary(target: Path, uri: str) -> Iterator[Path]:
    """A new file beside `target`, private until it is whole; at the end of the block it is gone."""
    path = target.with_name(f"{_TEMPORARY}{os.getpid()}-{os.urandom(4).hex()}-{target.name}")
    with ExitStack() as cleanup:
        cleanup.callback(path.unlink, missing_ok=True)
        with writing(uri):
            lock = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        cleanup.callback(os.close, lock)
        _lock(lock)
        yield path


def _settle(path: Path, uri: str) -> None:
    """On the disk, and for whom the process's umask allows it."""
    with writing(uri), open(path, "rb") as written:
        os.fsync(written.fileno())
        os.fchmod(written.fileno(), 0o666 & ~_umask())


@lru_cache(maxsize=1024)
def _sweep(folder: Path) -> None:
    """Remove what killed processes left half written in `folder`: old files of this module that no process holds."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime < _SWEEP_SECONDS:
                continue  # perhaps made this instant, and not yet locked
            found = os.open(path, os.O_WRONLY)
            try:
                if _lock(found):
                    path.unlink(missing_ok=True)
            finally:
                os.close(found)


def _lock(file: int) -> bool:
    """Hold a file while this process lives, where its file system can; False when another one holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@cache
def _umask() -> int:
    """Of this process, which can be read only by setting it; on Linux without that."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("Umask:")).split()[1], 8)
    except (OSError, StopIteration):
        mask = os.umask(0o077)
        os.umask(mask)
        return mask
