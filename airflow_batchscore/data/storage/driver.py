"""`StorageDriver`: what each kind of storage tells this package about itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import FileSystem


@dataclass(frozen=True)
class Stamp:
    """What identifies the bytes of a file.

    Attributes:
        size: in bytes.
        tag: ETag in a store; modification time and inode on a disk; empty if the store names neither ETag nor time.
        changed: also differs when a file was changed and put back (on a disk its ctime, in a store its time, version
            and generation), but on a disk also when only its permissions change. So readers compare it while a task
            runs, and no identity includes it.
    """

    size: int
    tag: str
    changed: str


@dataclass(frozen=True)
class Seen:
    """A file as it was when seen.

    Attributes:
        tag: changes when the file is replaced: inode, size and time on a disk, ETag or generation in a store.
        note: the note that `StorageDriver.replace` stored with it; None if there is none.
    """

    tag: str
    note: str | None = None


class ListedFile(NamedTuple):
    """A file in a listing: its path below the folder, its size in bytes, its modification time in ns since 1970."""

    below: str
    size: int
    mtime_ns: int


class OpenFile(NamedTuple):
    """An open file, the stamp it had when it was opened, and a function that takes its stamp again."""

    file: pa.NativeFile
    stamp: Stamp
    look_again: Callable[[], Stamp]


class ConnectionOptions(Protocol):
    """Turns an Airflow connection into the options of `credentials.register`, in the task only."""

    def __call__(self, conn_id: str, uri: str, *, named: bool) -> dict[str, Any]:
        """The options for `uri`.

        Args:
            named: the DAG names the connection, so it must exist; otherwise `conn_id` is the storage's default.

        Raises:
            InputError: there is no such connection, or it does not say enough.
        """
        ...


class StorageDriver(ABC):
    """One kind of storage. Paths are what `path` returns; errors are OSErrors and need not name the file.

    `ObjectStore` implements most of it for a store that Arrow can open; most drivers derive from it.

    Attributes:
        schemes: spellings of its URI scheme, the canonical one first. For a driver of another package it is the name
            of its entry point.
        default_conn_id: Airflow connection used if a DAG names none; None if the storage needs no connection.
        connection: import path of a `ConnectionOptions`; None if the storage takes no connection.
        refusals: texts in errors that mean a no which a retry cannot change.
        error_marks: texts in errors by which a failure of the store is told from a damaged file.
    """

    schemes: Sequence[str] = ()
    default_conn_id: str | None = None
    connection: str | None = None
    refusals: Sequence[str] = ()
    error_marks: Sequence[str] = ()

    @property
    def keeps_notes(self) -> bool:
        """Whether `replace` stores its note in one step with the file."""
        return False

    @abstractmethod
    def path(self, scheme: str, rest: str) -> str:
        """The path for ``<scheme>://<rest>``. Each file has one path.

        Raises:
            InputError: the URI holds more than a location, or is not written plainly.
        """

    @abstractmethod
    def real(self, path: str) -> str:
        """The canonical URI of `path`, with links resolved and without a trailing slash."""

    @abstractmethod
    def filesystem(self, path: str, conn_id: str | None) -> tuple[FileSystem, str]:
        """Arrow's filesystem for `path`, and the path on it."""

    @abstractmethod
    def list(self, path: str, conn_id: str | None, *, recursive: bool) -> Iterable[ListedFile]:
        """The files below the folder `path`, in any order; none if the folder does not exist."""

    @abstractmethod
    def open(self, path: str, conn_id: str | None) -> AbstractContextManager[OpenFile]:
        """Open an existing file. Raises FileNotFoundError."""

    @abstractmethod
    def stamp(self, path: str, conn_id: str | None) -> Stamp:
        """What identifies the current bytes. Raises FileNotFoundError."""

    @abstractmethod
    def current(self, path: str, conn_id: str | None) -> Seen | None:
        """The current file; None if there is none."""

    @abstractmethod
    def new_file(self, path: str) -> AbstractContextManager[Path]:
        """A private local file to write; removed when the block ends, unless it was put in place."""

    @abstractmethod
    def put(self, whole: Path, path: str, conn_id: str | None) -> None:
        """Put the complete file `whole` at `path` in one step: readers see all of it or what was there before."""

    @abstractmethod
    def create(self, whole: Path, path: str, conn_id: str | None) -> bool:
        """`put` unless a file is there; returns False if one is. Of several writers at once, one wins."""

    @abstractmethod
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
        """`put` if the file there is still the one seen (None: if there is none); returns whether it was put.

        Args:
            note: a short text to store with the file, if `keeps_notes`.
            before: called immediately before the step; it may raise to prevent it.
        """
