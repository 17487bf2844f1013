"""Small and whole files on any storage: listings, reads, atomic writes. Free of Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.storage import local_files
from airflow_batchscore.data.storage.driver import Stamp, StorageDriver
from airflow_batchscore.data.storage.errors import filling, reading, writing
from airflow_batchscore.data.storage.location import Location
from airflow_batchscore.data.storage.uris import is_local, locate
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

T = TypeVar("T")
R = TypeVar("R")

_REQUESTS_AT_ONCE = 16


@dataclass(frozen=True)
class FileInfo:
    """A file as a listing shows it: its URI, size in bytes and modification time in ns since 1970.

    Attributes:
        stamp: what all readers hold its bytes to; None until read.
    """

    uri: str
    size: int
    mtime_ns: int
    stamp: Stamp | None = None


def filesystem(location: Location) -> tuple[FileSystem, str]:
    """Arrow's filesystem for `location`, and the path on it."""
    driver, path = locate(location.uri)
    with reading(location.uri):
        return driver.filesystem(path, location.conn_id)


def each(function: Callable[[T], R], items: Sequence[T], uri: str) -> list[R]:
    """Apply ``function`` to each item; concurrently if `uri` is remote, because each call waits for an answer."""
    if is_local(uri) or len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(len(items), _REQUESTS_AT_ONCE), thread_name_prefix="batchscore-storage") as pool:
        return list(pool.map(function, items))


def list_files(folder: Location, *, recursive: bool = False) -> list[FileInfo]:
    """The files under `folder`, sorted by URI; empty if the folder does not exist."""
    prefix = folder.uri.rstrip("/")
    driver, path = locate(folder.uri)
    with reading(folder.uri):
        files = [
            FileInfo(f"{prefix}/{file.below}", file.size, file.mtime_ns)
            for file in driver.list(path, folder.conn_id, recursive=recursive)
        ]
    return sorted(files, key=lambda info: info.uri)


def stat(location: Location) -> FileInfo | None:
    """Size and time of a file, or None if it does not exist."""
    from pyarrow.fs import FileType

    fs, path = filesystem(location)
    with reading(location.uri):
        info = fs.get_file_info(path)
    if info.type != FileType.File:
        return None
    return FileInfo(location.uri, info.size, info.mtime_ns or 0)


def read_bytes(location: Location, *, most: int | None = None) -> bytes:
    """The content of the file, or its first `most` bytes. Raises FileNotFoundError."""
    fs, path = filesystem(location)
    with reading(location.uri), fs.open_input_file(path) as source:
        return bytes(source.read(most))


def read_json(location: Location) -> JsonObject | None:
    """A JSON object, or None if the file does not exist."""
    try:
        raw = read_bytes(location)
    except FileNotFoundError:
        return None
    return parse_json(location.uri, raw)


def parse_json(uri: str, raw: bytes) -> JsonObject:
    """Parse `raw`, the content of `uri`, as a JSON object. Raises InputError if it is not one."""
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise InputError(f"{uri} is not JSON ({error}); it was not written by this package or was altered") from error
    if not isinstance(value, dict):
        raise InputError(f"{uri} holds {type(value).__name__} where an object was expected")
    return value


def write_bytes(location: Location, data: bytes) -> None:
    """Write a small file in one atomic step (rename, or one PUT): readers see all of it or nothing."""
    with atomic_file(location) as path:
        path.write_bytes(data)


def create_bytes(location: Location, data: bytes) -> bool:
    """`write_bytes` for a file that must not exist yet; if it does, returns False and writes nothing.

    If several processes try at once, one wins on a disk and in a store that decides (see `ObjectStore.decides`).
    Elsewhere the last writer wins.
    """
    with new_file(location.uri) as (driver, path, whole), writing(location.uri):
        whole.write_bytes(data)
        return driver.create(whole, path, location.conn_id)


def delete(location: Location) -> None:
    """Remove a file; it may already be gone."""
    fs, path = filesystem(location)
    with writing(location.uri), suppress(FileNotFoundError):
        fs.delete_file(path)


def write_json(location: Location, value: JsonMapping) -> None:
    """`write_bytes` for JSON."""
    write_bytes(location, json_bytes(value))


def json_bytes(value: JsonMapping) -> bytes:
    """JSON as files are written here: without `indent`, with which Python uses its slow encoder."""
    return (json.dumps(value) + "\n").encode()


@contextmanager
def atomic_file(location: Location, stands: Callable[[], bool] | None = None) -> Iterator[Path]:
    """Yield a local path to write; when the block ends it becomes `location` in one step.

    On a local disk the path lies beside the target and is renamed onto it; for a remote store it is a private
    temporary file, uploaded once complete. If the block raises, nothing appears.

    Args:
        stands: called if a file exists, in the same step where the storage decides; True keeps the existing file.
            Without it, the file is replaced.
    """
    with new_file(location.uri) as (driver, path, whole):
        yield whole
        if stands is not None:
            with writing(location.uri):
                created = driver.create(whole, path, location.conn_id)
            if created or stands():
                return
        with writing(location.uri):
            driver.put(whole, path, location.conn_id)


@contextmanager
def new_file(uri: str) -> Iterator[tuple[StorageDriver, str, Path]]:
    """The driver and path of `uri`, and a private local file for its content; removed unless put in place."""
    driver, path = locate(uri)
    with ExitStack() as resources:
        with writing(uri):
            whole = resources.enter_context(driver.new_file(path))
        with filling(uri):
            yield driver, path, whole


@contextmanager
def private_folder(uri: str) -> Iterator[Path]:
    """A new folder beside `uri` on a local disk; removed with its contents when the block ends."""
    with ExitStack() as resources:
        with writing(uri):
            folder = resources.enter_context(local_files.private_folder(Path(locate(uri)[1])))
        with filling(uri):
            yield folder


def sweep(uri: str) -> None:
    """Remove what killed processes left in a folder on a local disk; nothing below it, and nothing that is at work."""
    local_files.sweep(Path(locate(uri)[1]))


def private_folders(folder: Location, name: str) -> list[Location]:
    """Those that `private_folder` made on a local disk for something of that name in `folder`."""
    found = Path(locate(folder.uri)[1]).glob(f".tmp-*-{name}")
    return [folder / path.name for path in sorted(found) if local_files.is_private(path.name)]
