"""Local (and mounted) disks: files appear by rename, are pinned by descriptor, and are replaced under a lock."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_batchscore.data.storage.driver import ListedFile, OpenFile, Seen, Stamp, StorageDriver
from airflow_batchscore.data.storage.local_files import new_file_beside, settle, take_free_place
from airflow_batchscore.data.storage.walk import files_below

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

log = logging.getLogger(__name__)

#: Longer than any decision under a lock takes; a process stopped while holding one must not stop all others.
_LOCK_SECONDS = 60.0
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)


class LocalDisk(StorageDriver):
    """Plain paths and ``file://``."""

    schemes = ("file",)

    def path(self, scheme: str, rest: str) -> str:
        return "/" + rest.lstrip("/")

    def real(self, path: str) -> str:
        return os.path.realpath(path)

    def filesystem(self, path: str, conn_id: str | None) -> tuple[FileSystem, str]:
        return _filesystem(), path

    def list(self, path: str, conn_id: str | None, *, recursive: bool) -> Iterator[ListedFile]:
        for below, status in files_below(path, recursive=recursive):
            yield ListedFile(below, status.st_size, status.st_mtime_ns)

    @contextmanager
    def open(self, path: str, conn_id: str | None) -> Iterator[OpenFile]:
        """Opens a descriptor once, so that Arrow reads that very inode, whatever replaces it meanwhile."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            by_descriptor = _has_proc()
            stamp = _stamp(os.fstat(descriptor))
            with _filesystem().open_input_file(f"/proc/self/fd/{descriptor}" if by_descriptor else path) as file:
                # Without /proc, Arrow opened the path again, so it is the path that must not change.
                yield OpenFile(file, stamp, lambda: _stamp(os.fstat(descriptor) if by_descriptor else os.stat(path)))
        finally:
            os.close(descriptor)

    def stamp(self, path: str, conn_id: str | None) -> Stamp:
        return _stamp(os.stat(path))

    def current(self, path: str, conn_id: str | None) -> Seen | None:
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return None
        return Seen(f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}")

    def new_file(self, path: str) -> AbstractContextManager[Path]:
        return new_file_beside(Path(path))

    def put(self, whole: Path, path: str, conn_id: str | None) -> None:
        settle(whole)
        os.replace(whole, path)

    def create(self, whole: Path, path: str, conn_id: str | None) -> bool:
        settle(whole)
        return take_free_place(whole, Path(path))

    def replace(
        self,
        whole: Path,
        path: str,
        seen: Seen | None,
        conn_id: str | None,
        *,
        note: str | None,
        before: Callable[[], None] | None,
    ) -> bool:
        settle(whole)
        with locked(path):
            if self.current(path, conn_id) != seen:
                return False
            if before is not None:
                before()
            os.replace(whole, path)
        return True


@cache
def _filesystem() -> FileSystem:
    from pyarrow.fs import LocalFileSystem

    return LocalFileSystem()


@cache
def _has_proc() -> bool:
    return os.path.isdir("/proc/self/fd")


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_size, f"mtime:{status.st_mtime_ns}-{status.st_ino}", str(status.st_ctime_ns))


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold an exclusive lock on `path` among all processes on every machine that shares the disk. Do not nest."""
    target = Path(path)
    lock = target.with_name(f".{target.name}.lock")
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
    except PermissionError:  # another user's file; on a local disk, read access is enough to lock it
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
