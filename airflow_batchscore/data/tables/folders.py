"""Folders of tables: their files are not to be read or written one by one, as if nothing else named them.

A table's folder also holds the files of its older versions: rows that were deleted, replaced or compacted since.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airflow_batchscore.data import storage
from airflow_batchscore.data.pattern import listing_root
from airflow_batchscore.data.storage import FileInfo, Location
from airflow_batchscore.errors import BatchScoreError, InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KindOfFolder:
    """How the folders of a kind of table are known.

    Attributes:
        folder: in the table's folder, which holds its log.
        file: how a file of that log ends; programs' own names, so that others' folders of that name are none.
        name: for messages.
        given: how the table is named by those who read it or publish to it.
        option: the same on the command line.
    """

    folder: str
    file: re.Pattern[str]
    name: str
    given: str
    option: str

    def is_in(self, table: Location) -> bool:
        """Whether that folder is a table of this kind: one listing, of its log."""
        return any(self.file.search(file.uri) for file in storage.list_files(table / self.folder))


DELTA = KindOfFolder("_delta_log", re.compile(r"/_delta_log/\d+\.[^/]*$"), "a Delta table", "Delta()", "delta")
ICEBERG = KindOfFolder(
    "metadata",
    re.compile(r"/metadata/v?\d[^/]*\.metadata\.json$"),
    "an Iceberg table",
    "Iceberg('namespace.table', catalog='...')",
    "iceberg:namespace.table@catalog",
)
KINDS = (DELTA, ICEBERG)
#: Below the folder of an Iceberg table.
_DATA = "data"


def require_no_table(uri: str, conn_id: str | None, every: Iterable[FileInfo], matching: Iterable[FileInfo]) -> None:
    """Raise InputError if files that are to be read by their names lie in a table's folder.

    Tables at or below the folder that was listed stand in the listing. For one around it, a look at the log that would
    be there is needed: at most one small listing, two if the folder is called ``data``.

    Args:
        uri: the template of the dataset.
        every: what lies in the folder that was listed.
        matching: those to be read; if there are none, nothing is looked for.
    """
    root, recursive = listing_root(uri)
    folders = {file.uri.rpartition("/")[0] for file in matching}
    if not folders:
        return
    listed = dict(_listed(root.rstrip("/"), every))
    for folder in sorted(folders):
        while listed and folder and len(folder) >= len(root.rstrip("/")):
            if folder in listed:
                raise _refused(folder, listed[folder], uri)
            folder = folder.rpartition("/")[0]
    for around, kind in _around(Location(storage.real(root or "."), conn_id), recursive):
        try:
            found = kind.is_in(around)
        except (OSError, BatchScoreError) as error:  # who may list a folder may not look around it
            log.debug("%s was not looked at: %s", around, error)
            continue
        if found:
            raise _refused(around.uri, kind, uri)


def _listed(root: str, every: Iterable[FileInfo]) -> Iterator[tuple[str, KindOfFolder]]:
    """The tables whose logs were listed."""
    for file in every:
        for kind in KINDS:
            if f"/{kind.folder}/" in file.uri and kind.file.search(file.uri):
                table = file.uri.rpartition("/")[0].rpartition("/")[0]
                if len(table) >= len(root):  # else the log itself is what was listed
                    yield table, kind


def _around(root: Location, recursive: bool) -> Iterator[tuple[Location, KindOfFolder]]:
    """Folders that may be tables, though their logs were not listed: without ``<field>=<value>`` and ``data``."""
    folder = root
    while "=" in folder.name:
        folder = folder.parent
    if folder != root or not recursive:
        yield folder, DELTA
    if folder.name == _DATA and not folder.parent.uri.endswith(":/"):
        yield folder.parent, ICEBERG


def _refused(folder: str, kind: KindOfFolder, uri: str) -> InputError:
    return InputError(
        f"{uri}: {folder} is {kind.name}: its folder also holds files of older versions, with rows that were deleted "
        f"or replaced, and nothing was read. Give PartitionedDataset({folder!r}, table={kind.given}, "
        f"partition_by=...), on the command line --data-table {kind.option}, or name a copy"
    )
