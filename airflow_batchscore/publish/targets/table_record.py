"""What is published in a table: the stamps of its partitions, and the data files that they were published with.

A table's log is no place for a thousand stamps, so they are a file beside the data, ``_published/<number>.json``, which
is written before the commit, never changes, and is named in the commit. What another program does to the table (it
compacts files, deletes rows, goes back to an earlier version) leaves the name: a partition whose files are not those of
the record was changed, and is published again when a run has it.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import FileInfo, Location
from airflow_batchscore.publish.stamp import PartitionStamp, Statement

_FOLDER = "_published"
_RECORD = re.compile(r"/\d+\.json$")
#: How long a record is kept that no commit names any more: somebody may still be reading it.
_OLD_NS = 24 * 3600 * 10**9


@dataclass(frozen=True)
class TableRecord:
    """The record of a commit.

    Attributes:
        files: partition key -> its data files, as the table names them.
    """

    statement: Statement
    files: Mapping[str, Sequence[str]]

    @property
    def stamps(self) -> Mapping[str, PartitionStamp]:
        return self.statement.by_key

    def unaltered(self, files: Mapping[str, frozenset[str]]) -> dict[str, PartitionStamp]:
        """The stamps; one of a partition that the table holds in other files is that of no manifest.

        Args:
            files: those of the table now, by partition key.
        """
        return {
            key: stamp if files.get(key, frozenset()) == frozenset(self.files[key]) else replace(stamp, manifest="")
            for key, stamp in self.stamps.items()
        }

    def write(self, table: Location) -> str:
        """Store it beside the table's data; returns its number, as text."""
        number = str(secrets.randbits(62))
        file = record_file(table, number)
        data = json.dumps({**json.loads(self.statement.to_bytes()), "files": self.files}).encode()
        if not storage.create_bytes(file, data):
            raise OSError(f"{file} exists already; try again")
        return number

    @classmethod
    def read(cls, table: Location, number: str) -> TableRecord:
        """Raises FileNotFoundError; `ForeignFileError` if it is none."""
        file = record_file(table, number)
        data = storage.read_bytes(file)
        statement = Statement.from_bytes(data, file.uri)
        return cls(statement, json.loads(data)["files"])


EMPTY = TableRecord(Statement({}, []), {})


def drop_record(table: Location, number: str) -> None:
    """Remove a record that was not committed."""
    storage.delete(record_file(table, number))


def drop_old_records(table: Location, current: str) -> None:
    """Remove those that no commit names any more."""
    for file in storage.list_files(table / _FOLDER):
        if file.uri != record_file(table, current).uri and file.mtime_ns < time.time_ns() - _OLD_NS:
            storage.delete(table.at(file.uri))


def recorded(table: Location) -> list[PartitionStamp]:
    """The stamps of all records in a table's folder, for which no catalog is asked; empty if it holds no table of ours.

    They are those of the table, and of publications that were just replaced or not finished.
    """
    records = storage.each(lambda file: _statement(table.at(file.uri)), _records(table), table.uri)
    return [stamp for record in records if record for stamp in record.stamps]


def _records(table: Location) -> list[FileInfo]:
    return [file for file in storage.list_files(table / _FOLDER) if _RECORD.search(file.uri)]


def _statement(file: Location) -> Statement | None:
    try:
        return Statement.from_bytes(storage.read_bytes(file), file.uri)
    except FileNotFoundError:  # dropped in the meantime
        return None


def record_file(table: Location, number: str) -> Location:
    """Where the record of that number is."""
    return table / _FOLDER / f"{number}.json"
