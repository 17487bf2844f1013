"""The one door to bytes: a URI to a ``pyarrow.fs`` filesystem, atomic writes, listings. Nothing here knows Airflow."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_batchscore.data import local, s3
from airflow_batchscore.data.location import cloud_filesystem, location, shown
from airflow_batchscore.data.store_errors import reading, writing
from airflow_batchscore.data.walk import files_below
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

T = TypeVar("T")
R = TypeVar("R")

_REQUESTS_AT_ONCE = 16


@dataclass(frozen=True)
class Stamp:
    """What identifies the bytes of a file.

    Attributes:
        size: in bytes.
        tag: ETag in a store; on a disk modification time and inode.
        changed: what also changes when a file is changed and put back (on a disk its ctime, in a store its time,
            version and generation), but on a disk when only its permissions change, too. So readers compare it as long
            as a task runs, and no identity holds it.
    """

    size: int
    tag: str
    changed: str


@dataclass(frozen=True)
class FileInfo:
    """A file as a listing shows it: its URI, size in bytes and modification time in ns since 1970.

    Attributes:
        stamp: what its bytes are held to by all who read it; None before somebody looked.
    """

    uri: str
    size: int
    mtime_ns: int
    stamp: Stamp | None = None


def split_scheme(uri: str) -> tuple[str, str]:
    """``s3://bucket/key`` -> ``("s3", "bucket/key")``; a plain path has the scheme ``file``.

    Raises InputError for a URI that names more than a place; see `location`.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return "file", os.path.abspath(os.path.expanduser(uri))
    if scheme == "file":
        return scheme, "/" + rest.lstrip("/")
    return location(scheme, rest)


def filesystem(uri: str, conn_id: str | None = None) -> tuple[FileSystem, str]:
    """The filesystem of `uri` and the path on it."""
    scheme, path = split_scheme(uri)
    if scheme == "file":
        return _local_filesystem(), path
    if scheme == "s3":
        return s3.filesystem(conn_id), path
    if scheme in ("gs", "abfs"):
        return cloud_filesystem(scheme, path)
    raise InputError(
        f"cannot open {shown(scheme, path)}: no storage is known for {scheme}://; use a local path, s3://, gs:// or "
        "abfs://"
    )


@cache
def _local_filesystem() -> FileSystem:
    from pyarrow.fs import LocalFileSystem

    return LocalFileSystem()


def is_local(uri: str) -> bool:
    return split_scheme(uri)[0] == "file"


def real(uri: str) -> str:
    """The one spelling of a place: on a disk the path that links lead to, in a store its URI without a last slash."""
    scheme, path = split_scheme(uri)
    return os.path.realpath(path) if scheme == "file" else f"{scheme}://{path}".rstrip("/")


def is_within(uri: str, folder: str) -> bool:
    """Whether `uri` is `folder` or lies below it; on a disk, where links lead."""
    return f"{real(uri)}/".startswith(f"{real(folder).rstrip('/')}/")


def join(uri: str, *names: str) -> str:
    """`uri` with path segments appended."""
    return "/".join([uri.rstrip("/"), *names])


def each(function: Callable[[T], R], items: Sequence[T], uri: str) -> list[R]:
    """``function`` of each item; side by side where `uri` is remote, because each waits for an answer."""
    if is_local(uri) or len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(len(items), _REQUESTS_AT_ONCE), thread_name_prefix="batchscore-storage") as pool:
        return list(pool.map(function, items))


def parent(uri: str) -> str:
    """The folder that holds `uri`."""
    return uri.rstrip("/").rsplit("/", 1)[0]


def beside(uri: str, *names: str) -> str:
    """A place in the folder of the file `uri`, which may be a name alone."""
    return uri[: uri.rfind("/") + 1] + "/".join(names)


def list_files(uri: str, conn_id: str | None = None, *, recursive: bool = False) -> list[FileInfo]:
    """The files under the folder `uri`, sorted by URI; none when the folder does not exist."""
    prefix = uri.rstrip("/")
    with reading(uri):
        if is_local(uri):
            below = files_below(split_scheme(uri)[1], recursive=recursive)
            files = [FileInfo(f"{prefix}/{path}", status.st_size, status.st_mtime_ns) for path, status in below]
        else:
            files = _list_objects(uri, prefix, conn_id, recursive)
    return sorted(files, key=lambda info: info.uri)


def _list_objects(uri: str, prefix: str, conn_id: str | None, recursive: bool) -> list[FileInfo]:
    from pyarrow.fs import FileSelector, FileType

    fs, path = filesystem(uri, conn_id)
    found = fs.get_file_info(FileSelector(path, allow_not_found=True, recursive=recursive))
    return [
        FileInfo(f"{prefix}{info.path[len(path.rstrip('/')) :]}", info.size, info.mtime_ns or 0)
        for info in found
        if info.type == FileType.File
    ]


def stat(uri: str, conn_id: str | None = None) -> FileInfo | None:
    """Size and time of one file, or None where there is none."""
    from pyarrow.fs import FileType

    fs, path = filesystem(uri, conn_id)
    with reading(uri):
        info = fs.get_file_info(path)
    if info.type != FileType.File:
        return None
    return FileInfo(uri, info.size, info.mtime_ns or 0)


def read_bytes(uri: str, conn_id: str | None = None, *, most: int | None = None) -> bytes:
    """The file, or its first `most` bytes. Raises FileNotFoundError."""
    fs, path = filesystem(uri, conn_id)
    with reading(uri), fs.open_input_file(path) as source:
        return bytes(source.read(most))


def read_json(uri: str, conn_id: str | None = None) -> dict[str, Any] | None:
    """A JSON object, or None where the file does not exist."""
    try:
        raw = read_bytes(uri, conn_id)
    except FileNotFoundError:
        return None
    return parse_json(uri, raw)


def parse_json(uri: str, raw: bytes) -> dict[str, Any]:
    """The JSON object that `raw`, the content of `uri`, is. Raises InputError when it is not one."""
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise InputError(f"{uri} is not JSON ({error}); it was not written by this package or was altered") from error
    if not isinstance(value, dict):
        raise InputError(f"{uri} holds {type(value).__name__} where an object was expected")
    return value


def write_bytes(uri: str, data: bytes, conn_id: str | None = None) -> None:
    """Write a small file in one atomic step (rename, or one PUT): readers see all of it or none."""
    with atomic_file(uri, conn_id) as path:
        path.write_bytes(data)


def has_conditions(uri: str) -> bool:
    """Whether a remote store writes only if what is there is what was seen: S3, through boto3."""
    return split_scheme(uri)[0] == "s3" and find_spec("boto3") is not None


def create_bytes(uri: str, data: bytes, conn_id: str | None = None) -> bool:
    """`write_bytes` for a file that must not be there yet; False, and nothing is written, when it is.

    Of several processes at once one wins, on a local disk and on S3 (with boto3). Elsewhere the last one to write wins.
    """
    scheme, path = split_scheme(uri)
    if scheme == "file":
        return local.create(Path(path), data, uri)
    if has_conditions(uri):
        with writing(uri):
            return s3.put_new(path, data, conn_id)
    if stat(uri, conn_id) is not None:
        return False
    write_bytes(uri, data, conn_id)
    return True


def delete(uri: str, conn_id: str | None = None) -> None:
    """Remove a file; one that is gone already will do."""
    fs, path = filesystem(uri, conn_id)
    with writing(uri), contextlib.suppress(FileNotFoundError):
        fs.delete_file(path)


def write_json(uri: str, value: Mapping[str, Any], conn_id: str | None = None) -> None:
    write_bytes(uri, json_bytes(value), conn_id)


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """As JSON files are written here."""
    return (json.dumps(value, indent=1) + "\n").encode()


@contextmanager
def atomic_file(uri: str, conn_id: str | None = None, stands: Callable[[], bool] | None = None) -> Iterator[Path]:
    """A local path to write; at the end of the block it becomes `uri` in one step.

    On the local disk the path lies beside the target and is renamed onto it; for a remote store it is a
    private temporary file that is uploaded when it is complete. If the block raises, nothing appears.

    Args:
        stands: asked when there is a file already, in the same step on a local disk and on S3 (with boto3); True
            leaves it as it is. Without it, the file is replaced.
    """

    def take_place(whole: Path, target: Path) -> None:
        if stands is None or not (local.take_free_place(whole, target) or stands()):
            os.replace(whole, target)

    scheme, path = split_scheme(uri)
    if scheme != "file":
        with local.scratch_file() as whole:
            yield whole
            if stands is None or not (_upload_new(whole, uri, conn_id) or stands()):
                upload(whole, uri, conn_id)
        return
    with local.atomic_file(Path(path), uri, take_place) as temporary:
        yield temporary


def _upload_new(whole: Path, uri: str, conn_id: str | None) -> bool:
    """`upload`, unless there is an object; False when there is."""
    _, path = split_scheme(uri)
    if has_conditions(uri):
        with writing(uri):
            return s3.put_if(path, whole, None, conn_id)
    if stat(uri, conn_id) is not None:
        return False
    upload(whole, uri, conn_id)
    return True


def upload(whole: Path, uri: str, conn_id: str | None) -> None:
    """One object from one complete file. The stream is closed, and so committed, only when all was sent."""
    fs, path = filesystem(uri, conn_id)
    with writing(uri):
        sink = fs.open_output_stream(path)
        with open(whole, "rb") as source:
            shutil.copyfileobj(source, sink, 8 << 20)
        sink.close()
