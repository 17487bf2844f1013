"""Input files pinned when opened: a reader gets exactly the bytes an identity names, or an error that names them.

On a disk, a file descriptor is opened once and Arrow reads that very inode, whatever replaces it meanwhile. In a store,
where each request goes by name, the object's metadata is compared before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from airflow_batchscore.data.storage.driver import Stamp
from airflow_batchscore.data.storage.errors import reading
from airflow_batchscore.data.storage.location import Location
from airflow_batchscore.data.storage.uris import locate
from airflow_batchscore.errors import InputChangedError, InputError

if TYPE_CHECKING:
    import pyarrow as pa


class Opened:
    """An open input file.

    Attributes:
        file: the handle for Arrow, at offset 0.
        stamp: of the file when it was opened.
    """

    def __init__(self, uri: str, file: pa.NativeFile, stamp: Stamp, look_again: Callable[[], Stamp]) -> None:
        self.uri, self.file, self.stamp = uri, file, stamp
        self._look_again = look_again

    def check(self) -> None:
        """Raise InputChangedError if the file has changed since it was opened."""
        with reading(self.uri):
            try:
                now = self._look_again()
            except FileNotFoundError:
                raise _gone(self.uri) from None
        _require(self.uri, self.stamp, now)


@contextmanager
def open_input(location: Location, expected: Stamp | None = None) -> Iterator[Opened]:
    """An input file, pinned until the end of the block to what it was when opened.

    Args:
        expected: stamp from an earlier look; other bytes are refused at once.

    Raises:
        InputChangedError: the file is not the one expected, or it changed during the block. Discard what was read.
        FileNotFoundError: the file does not exist, and none was expected.
    """
    uri = location.uri
    driver, path = locate(uri)
    with ExitStack() as resources:
        try:
            with reading(uri):
                file, stamp, look_again = resources.enter_context(driver.open(path, location.conn_id))
        except FileNotFoundError:
            if expected is not None:
                raise _gone(uri) from None
            raise
        opened = Opened(uri, file, _require_tag(uri, stamp), look_again)
        if expected is not None:
            _require(uri, expected, stamp)
        try:
            yield opened
        except Exception:
            opened.check()  # what looks like damage may be a change
            raise
        opened.check()


def stamp_of(location: Location) -> Stamp:
    """What identifies a file's current bytes. Raises FileNotFoundError."""
    driver, path = locate(location.uri)
    with reading(location.uri):
        return _require_tag(location.uri, driver.stamp(path, location.conn_id))


def _require_tag(uri: str, stamp: Stamp) -> Stamp:
    if stamp.tag:
        return stamp
    raise InputError(f"{uri}: the store names neither ETag nor time of its objects, so a change could not be noticed")


def _require(uri: str, expected: Stamp, now: Stamp) -> None:
    if now == expected:
        return
    if (now.size, now.tag) == (expected.size, expected.tag):
        how = f"replaced, edited in place or put back: last change {expected.changed}, now {now.changed}"
    else:
        how = f"{expected.size} bytes, {expected.tag}; now {now.size} bytes, {now.tag}"
    raise InputChangedError(f"{uri} changed since this task first looked at it ({how}). {_ADVICE}")


def _gone(uri: str) -> InputChangedError:
    return InputChangedError(f"{uri} is gone since this task first looked at it. {_ADVICE}")


_ADVICE = "Nothing was kept of what it holds now; a retry takes the file as it is then: let it come when it is complete"
