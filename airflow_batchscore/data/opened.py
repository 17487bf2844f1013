"""Input files as they were opened: a reader gets the very bytes that an identity names, or an error that names them.

On a disk a file descriptor is opened once and Arrow reads that very inode, whatever is put in its place meanwhile. In a
store, where each request goes by name, what it says of the object is compared before and after.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Stamp
from airflow_batchscore.data.store_errors import reading
from airflow_batchscore.errors import InputChangedError, InputError

if TYPE_CHECKING:
    import pyarrow as pa

_UNPACK_BUFFER = 1 << 20


class Opened:
    """An open input file.

    Attributes:
        file: for Arrow, at offset 0.
        stamp: of the file as it was opened.
    """

    def __init__(self, uri: str, file: pa.NativeFile, stamp: Stamp, look_again: Callable[[], Stamp]) -> None:
        self.uri, self.file, self.stamp = uri, file, stamp
        self._look_again = look_again

    def stream(self) -> pa.NativeFile:
        """The content from its beginning, unpacked where the name ends in ``.gz``."""
        import pyarrow as pa

        if not self.uri.lower().endswith(".gz"):
            return self.file
        return pa.CompressedInputStream(pa.BufferedInputStream(self.file, _UNPACK_BUFFER), "gzip")

    def check(self) -> None:
        """Raises InputChangedError when the file is not what it was when it was opened."""
        with reading(self.uri):
            try:
                now = self._look_again()
            except FileNotFoundError:
                raise _gone(self.uri) from None
        _require(self.uri, self.stamp, now)


@contextmanager
def open_input(uri: str, conn_id: str | None = None, expected: Stamp | None = None) -> Iterator[Opened]:
    """An input file, held to what it was when it was opened until the end of the block.

    Args:
        expected: what a look found before; other bytes are refused at once.

    Raises:
        InputChangedError: the file is not the one expected, or it changed during the block. What was read is not to be
            used.
        FileNotFoundError: there is none, and none was expected.
    """
    opening = _open_local if storage.is_local(uri) else _open_remote
    with opening(uri, conn_id, expected is not None) as opened:
        if expected is not None:
            _require(uri, expected, opened.stamp)
        try:
            yield opened
        except Exception:
            opened.check()  # what looks like damage may be a change
            raise
        opened.check()


def look(uri: str, conn_id: str | None = None) -> Stamp:
    """What identifies a file's bytes now. Raises FileNotFoundError."""
    with reading(uri):
        if storage.is_local(uri):
            return _of_disk(os.stat(storage.split_scheme(uri)[1]))
        fs, path = storage.filesystem(uri, conn_id)
        with fs.open_input_file(path) as file:
            return _of_store(uri, file)


@contextmanager
def _open_local(uri: str, conn_id: str | None, known: bool) -> Iterator[Opened]:
    fs, path = storage.filesystem(uri, conn_id)
    try:
        with reading(uri):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        if known:
            raise _gone(uri) from None
        raise
    try:
        by_descriptor = _has_proc()
        stamp = _of_disk(os.fstat(descriptor))
        with reading(uri):
            file = fs.open_input_file(f"/proc/self/fd/{descriptor}" if by_descriptor else path)
        with file:
            # Without /proc Arrow opened the path once more, and it is the path that must not change.
            yield Opened(uri, file, stamp, lambda: _of_disk(os.fstat(descriptor) if by_descriptor else os.stat(path)))
    finally:
        os.close(descriptor)


@contextmanager
def _open_remote(uri: str, conn_id: str | None, known: bool) -> Iterator[Opened]:
    fs, path = storage.filesystem(uri, conn_id)
    try:
        with reading(uri):
            file = fs.open_input_file(path)
            stamp = _of_store(uri, file)
    except FileNotFoundError:
        if known:
            raise _gone(uri) from None
        raise
    with file:
        yield Opened(uri, file, stamp, lambda: look(uri, conn_id))


@cache
def _has_proc() -> bool:
    return os.path.isdir("/proc/self/fd")


def _of_disk(found: os.stat_result) -> Stamp:
    return Stamp(found.st_size, f"mtime:{found.st_mtime_ns}-{found.st_ino}", str(found.st_ctime_ns))


def _of_store(uri: str, file: pa.NativeFile) -> Stamp:
    said = {_text(name).lower(): _text(value) for name, value in (file.metadata() or {}).items()}
    # An object that was replaced and put back has its old ETag, and a newer time, version or generation.
    changed = " ".join(said[name] for name in ("last-modified", "updated", "versionid", "generation") if name in said)
    if "etag" in said:
        return Stamp(file.size(), f"etag:{said['etag'].strip(chr(34))}", changed)
    if changed:
        return Stamp(file.size(), f"changed:{changed}", changed)
    raise InputError(f"{uri}: the store names neither ETag nor time of its objects, so a change could not be noticed")


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _require(uri: str, expected: Stamp, found: Stamp) -> None:
    if found == expected:
        return
    if (found.size, found.tag) == (expected.size, expected.tag):
        how = f"replaced, edited in place or put back: last change {expected.changed}, now {found.changed}"
    else:
        how = f"{expected.size} bytes, {expected.tag}; now {found.size} bytes, {found.tag}"
    raise InputChangedError(f"{uri} changed since this task first looked at it ({how}). {_ADVICE}")


def _gone(uri: str) -> InputChangedError:
    return InputChangedError(f"{uri} is gone since this task first looked at it. {_ADVICE}")


_ADVICE = "Nothing was kept of what it holds now; a retry takes the file as it is then: let it come when it is complete"
