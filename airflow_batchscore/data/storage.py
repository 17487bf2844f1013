"""The one door to bytes: a URI to a ``pyarrow.fs`` filesystem, atomic writes, listings.

Nothing here knows Airflow. A connection's credentials are registered once a process under the
connection's name (`register_s3`); datasets, blocks and jobs carry that name only, so that no secret
enters a task graph, a manifest or a log line.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_batchscore.errors import InputError, OutputError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

T = TypeVar("T")
R = TypeVar("R")

_REQUESTS_AT_ONCE = 16

#: Keyword arguments of ``pyarrow.fs.S3FileSystem`` by connection name, for this process only.
_s3_options: dict[str, dict[str, Any]] = {}

#: Writing over an existing path keeps the reader of the old file whole: files appear by rename.
_TEMPORARY = ".tmp-"


@dataclass(frozen=True)
class FileInfo:
    """A file as a listing shows it: its URI, size in bytes and modification time in ns since 1970."""

    uri: str
    size: int
    mtime_ns: int


def register_s3(conn_id: str, options: Mapping[str, Any]) -> None:
    """Make ``conn_id`` usable in this process: `options` are arguments of ``S3FileSystem``."""
    if _s3_options.get(conn_id) != dict(options):
        _s3_options[conn_id] = dict(options)
        _s3_filesystem.cache_clear()


def registered_s3() -> dict[str, dict[str, Any]]:
    """Every registered connection, to hand on to worker processes over a private channel."""
    return dict(_s3_options)


def split_scheme(uri: str) -> tuple[str, str]:
    """``s3://bucket/key`` -> ``("s3", "bucket/key")``; a plain path has the scheme ``file``."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return "file", os.path.abspath(os.path.expanduser(uri))
    if scheme == "file":
        return scheme, "/" + rest.lstrip("/")
    if scheme in ("s3", "s3a", "s3n"):
        return "s3", rest.strip("/")
    return scheme, rest


def filesystem(uri: str, conn_id: str | None = None) -> tuple[FileSystem, str]:
    """The filesystem of `uri` and the path on it."""
    scheme, path = split_scheme(uri)
    if scheme == "file":
        return _local_filesystem(), path
    if scheme == "s3":
        return _s3_filesystem(conn_id), path
    if scheme in ("gs", "gcs", "abfs", "abfss"):
        from pyarrow.fs import FileSystem

        found, path = FileSystem.from_uri(uri)
        return found, path
    raise InputError(
        f"cannot open {uri!r}: no storage is known for {scheme}://; use a local path, s3://, gs:// or abfs://"
    )


@cache
def _local_filesystem() -> FileSystem:
    from pyarrow.fs import LocalFileSystem

    return LocalFileSystem()


@cache
def _s3_filesystem(conn_id: str | None) -> FileSystem:
    from pyarrow.fs import S3FileSystem

    options = _s3_options.get(conn_id, {}) if conn_id else {}
    # A small object is then one request, not the three of a multipart upload.
    return S3FileSystem(**{"allow_delayed_open": True, **options})


def is_local(uri: str) -> bool:
    return split_scheme(uri)[0] == "file"


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


def list_files(uri: str, conn_id: str | None = None, *, recursive: bool = False) -> list[FileInfo]:
    """The files under the folder `uri`, sorted by URI; none when the folder does not exist."""
    from pyarrow.fs import FileSelector, FileType

    fs, path = filesystem(uri, conn_id)
    selector = FileSelector(path, allow_not_found=True, recursive=recursive)
    with named_errors(uri):
        found = fs.get_file_info(selector)
    prefix = uri.rstrip("/")
    return sorted(
        (
            FileInfo(f"{prefix}{info.path[len(path.rstrip('/')) :]}", info.size, info.mtime_ns or 0)
            for info in found
            if info.type == FileType.File
        ),
        key=lambda info: info.uri,
    )


def stat(uri: str, conn_id: str | None = None) -> FileInfo | None:
    """Size and time of one file, or None where there is none."""
    from pyarrow.fs import FileType

    fs, path = filesystem(uri, conn_id)
    with named_errors(uri):
        info = fs.get_file_info(path)
    if info.type != FileType.File:
        return None
    return FileInfo(uri, info.size, info.mtime_ns or 0)


def content_tag(info: FileInfo, conn_id: str | None = None) -> str:
    """What changes when a file's bytes change: the ETag on an object store, else the mtime."""
    if is_local(info.uri):
        return f"mtime:{info.mtime_ns}"
    fs, path = filesystem(info.uri, conn_id)
    with named_errors(info.uri), fs.open_input_file(path) as source:
        metadata = source.metadata() or {}
    tag = metadata.get(b"ETag") or metadata.get("ETag")
    if tag is None:
        return f"mtime:{info.mtime_ns}"
    text = tag.decode() if isinstance(tag, bytes) else str(tag)
    return f"etag:{text.strip(chr(34))}"


def read_bytes(uri: str, conn_id: str | None = None) -> bytes:
    """The whole file. Raises FileNotFoundError."""
    fs, path = filesystem(uri, conn_id)
    with named_errors(uri), fs.open_input_file(path) as source:
        return bytes(source.read())


def read_json(uri: str, conn_id: str | None = None) -> dict[str, Any] | None:
    """A JSON object, or None where the file does not exist."""
    try:
        raw = read_bytes(uri, conn_id)
    except FileNotFoundError:
        return None
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


def write_json(uri: str, value: Mapping[str, Any], conn_id: str | None = None) -> None:
    write_bytes(uri, json_bytes(value), conn_id)


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """As JSON files are written here."""
    return (json.dumps(value, indent=1) + "\n").encode()


@contextmanager
def atomic_file(uri: str, conn_id: str | None = None) -> Iterator[Path]:
    """A local path to write; at the end of the block it becomes `uri` in one step.

    On the local disk the path lies beside the target and is renamed onto it; for a remote store it is a
    private temporary file that is uploaded when it is complete. If the block raises, nothing appears.
    """
    scheme, path = split_scheme(uri)
    if scheme != "file":
        with tempfile.TemporaryDirectory(prefix="batchscore-") as folder:
            local = Path(folder) / "file"
            yield local
            _upload(local, uri, conn_id)
        return
    target = Path(path)
    temporary = target.with_name(f"{_TEMPORARY}{os.getpid()}-{os.urandom(4).hex()}-{target.name}")
    with _writable(uri):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Nobody else reads half a file: it is private until it is whole.
        with _writable(uri):
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield temporary
        with _writable(uri), open(temporary, "rb") as written:
            os.fsync(written.fileno())
            os.fchmod(written.fileno(), 0o666 & ~_umask())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


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


def _upload(local: Path, uri: str, conn_id: str | None) -> None:
    """One object from one complete file. The stream is closed, and so committed, only when all was sent."""
    fs, path = filesystem(uri, conn_id)
    with _writable(uri):
        sink = fs.open_output_stream(path)
        with open(local, "rb") as source:
            shutil.copyfileobj(source, sink, 8 << 20)
        sink.close()


@contextmanager
def named_errors(uri: str) -> Iterator[None]:
    """Name the URI in errors that say only what the store answered, and keep their kind."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if _is_refusal(error):
            raise InputError(f"cannot read {uri}: {error}. {_ACCESS_ADVICE}") from error
        raise OSError(f"cannot read {uri}: {error}") from error


@contextmanager
def _writable(uri: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if _is_refusal(error) or isinstance(error, FileExistsError):
            raise OutputError(f"cannot write {uri}: {error}. {_ACCESS_ADVICE}") from error
        raise OSError(f"cannot write {uri}: {error}") from error


_ACCESS_ADVICE = "Check the URI, that the folder or bucket exists, and what the connection may do there"


def _is_refusal(error: OSError) -> bool:
    """A 'no' that a retry cannot change, as opposed to a store that is down or slow."""
    text = str(error)
    return isinstance(error, (PermissionError, NotADirectoryError, IsADirectoryError)) or any(
        word in text
        for word in ("ACCESS_DENIED", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH")
    )


def is_store_error(error: BaseException) -> bool:
    """Whether a remote store failed to answer, which a retry may mend, rather than sent damaged bytes."""
    return "AWS Error" in str(error)
