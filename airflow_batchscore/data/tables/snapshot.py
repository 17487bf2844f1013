"""`Snapshot`: one version of a table, as its log or catalog states it: columns, files, and what it knows of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from airflow_batchscore.data.storage import Location, join, real
from airflow_batchscore.errors import InputError

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


@dataclass(frozen=True)
class TableFile:
    """A data file of a table. Such a file never changes: a table that changes has others.

    Attributes:
        size: in bytes, as the table states it.
        mtime_ns: when it was added, in ns since 1970; 0 if the table does not say.
        labels: for each term of ``partition_by`` its value in all rows of the file; None where only the rows tell.
        values: columns that stand in the table's log and not in the file, with the value of all of its rows.
    """

    uri: str
    size: int
    mtime_ns: int
    labels: tuple[str | None, ...]
    values: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """One version of a table.

    Attributes:
        name: of the table, for messages: ``the Delta table s3://lake/games``.
        version: a text that names this version from now on; empty if there is none yet.
        types: its columns, with their types (see `type_names`), in order.
        files: sorted by URI.
        ids: the columns by number, if names alone do not tell which of a file's columns they are.
        pinned: what plans hand on to tasks: the version, and what the table must still have (see `versions.pin`).
        is_whole: whether all rows of each file are in one partition, so that no row needs to be looked at.
    """

    name: str
    version: str
    types: tuple[tuple[str, str], ...] = ()
    files: tuple[TableFile, ...] = ()
    ids: tuple[tuple[int, str], ...] = ()
    is_whole: bool = True
    pinned: str = ""

    @classmethod
    def of(
        cls,
        name: str,
        version: str,
        types: Iterable[tuple[str, str]],
        files: Iterable[TableFile],
        ids: tuple[tuple[int, str], ...] = (),
        pinned: str = "",
    ) -> Snapshot:
        """One with its files in order."""
        ordered = tuple(sorted(files, key=lambda file: file.uri))
        is_whole = all(None not in file.labels for file in ordered)
        return cls(name, version, tuple(types), ordered, ids, is_whole, pinned or version)

    @property
    def described(self) -> str:
        """For messages."""
        return f"version {self.version} of {self.name}"

    def without_files(self) -> Snapshot:
        """What those need who read blocks."""
        return replace(self, files=())


class Folder:
    """The dataset's folder, below which the data files of a table must lie: the DAG's author names what is read.

    Args:
        name: of the table.
    """

    def __init__(self, location: Location, name: str) -> None:
        self._uri, self._name, self._root = location.uri, name, f"{real(location.uri).rstrip('/')}/"
        self._folders: dict[str, str] = {}

    def uri_of(self, path: str) -> str:
        """The URI of a data file, which the table has as a path below the folder, or as a URI.

        Raises InputError for a file elsewhere, also by a link.
        """
        full = path if _URI.match(path) or path.startswith("/") else join(self._uri, path)
        place = self._real(re.sub(r"^file:/+", "/", full))
        if not place.startswith(self._root):
            raise InputError(
                f"{self._name} has the data file {full}, which lies outside of {self._uri} and was not read. Let uri= "
                "name a folder that holds all of the table's files, or copy the table (a deep clone) to one"
            )
        return join(self._uri, place[len(self._root) :])

    def _real(self, uri: str) -> str:
        """`real`, with each folder resolved once: a table has many files in few."""
        folder, _, name = uri.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = real(folder or "/").rstrip("/")
        place = f"{self._folders[folder]}/{name}"
        return real(uri) if name in ("", ".", "..") or os.path.islink(place) else place
