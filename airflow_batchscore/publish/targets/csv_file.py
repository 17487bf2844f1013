"""One CSV file of many partitions: each occupies its own range of bytes, which is copied if the partition is kept.

CSV has no room for the statement, so it is stored in ``_published/<name>/`` beside the file and written first. Which
statement belongs to a file is recorded where it cannot be separated from the file: on S3 in the object's metadata,
written in one step with it; elsewhere the statement is named by the SHA-256 of the file's bytes. A crash between the
two writes leaves the old file with its old statement, and an orphaned statement.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.driver import Seen
from airflow_batchscore.data.storage.swap import Replacement, keeps_notes
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.parts import Part
from airflow_batchscore.publish.stamp import ForeignFileError, PartitionStamp, Statement
from airflow_batchscore.publish.table import ScoresTable
from airflow_batchscore.publish.targets.one_file import OneFileTarget

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE = 8 << 20
#: How long orphaned statements are kept: one may belong to a publisher that is still working.
_OLD_NS = 24 * 3600 * 10**9


class CsvTarget(OneFileTarget):
    """One ``.csv`` file."""

    def statement(self, seen: Seen) -> Statement | None:
        """The statement of the file as it was seen."""
        file = self.place
        try:
            # A store without its client, or a version before it kept notes, names a statement by the digest.
            name = (seen.note if keeps_notes(file.uri) else None) or _digest(file)
            return Statement.from_bytes(storage.read_bytes(_statement_file(file, name)), file.uri)
        except FileNotFoundError:
            if storage.stat(file) is None:
                return None
            raise ForeignFileError(f"{file} was not published by this package, or was changed since") from None

    def writer(self, path: Path, table: ScoresTable) -> CsvFile:
        """A writer that copies kept partitions from the published file."""
        return CsvFile(path, table, self.place)


def _statement_file(file: Location, name: str) -> Location:
    return _statements(file) / f"{name}.json"


def _statements(file: Location) -> Location:
    """The folder of its statements."""
    return file.beside("_published", file.name)


def _digest(file: Location) -> str:
    fs, path = storage.filesystem(file)
    digest = hashlib.sha256()
    with fs.open_input_file(path) as source:
        while piece := source.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _as_csv(table: pa.Table, what: str, *, header: bool = False) -> pa.Buffer:
    """Its rows as text; `what` names them in the error for columns that cannot be written."""
    import pyarrow as pa
    import pyarrow.csv as pc

    sink = pa.BufferOutputStream()
    try:
        pc.write_csv(table, sink, pc.WriteOptions(include_header=header))
    except pa.ArrowException as error:
        raise _unwritable(table, what, error) from error
    return sink.getvalue()


def _unwritable(table: pa.Table, what: str, error: Exception) -> OutputError:
    """The error for columns that cannot be written."""
    import pyarrow as pa
    import pyarrow.csv as pc

    bad = []
    for field in table.schema:
        try:
            pc.write_csv(table.select([field.name]), pa.BufferOutputStream())
        except pa.ArrowException:
            bad.append(f"{field.name} ({field.type})")
    return OutputError(
        f"not published: {what} has values that no CSV file holds in {', '.join(bad)}: {error}. Publish a .parquet "
        "file or a folder, or leave those columns out of the keys"
    )


class CsvFile:
    """Writes partitions one after the other, and then the statement beside the file.

    Args:
        old: the published file that kept partitions are copied from.
    """

    def __init__(self, path: Path, table: ScoresTable, old: Location) -> None:
        self._old, self._table = old, table
        header = _as_csv(table.schema.empty_table(), "the output", header=True)
        self._file = path.open("wb")
        self._file.write(header)

    def encode(self, part: Part) -> pa.Buffer:
        """The rows of a part as text."""
        rows = self._table.with_fields(part.table(part.read(), self._table.columns), part.manifest.columns)
        return _as_csv(rows, f"partition {part.manifest.key}")

    def add(self, stamp: PartitionStamp, pieces: Iterable[pa.Buffer]) -> PartitionStamp:
        """Write a partition; returns its stamp with its position."""
        first = self._file.tell()
        for piece in pieces:
            self._file.write(piece)
        return stamp.at(first, self._file.tell())

    def keep(self, stamp: PartitionStamp) -> PartitionStamp:
        """Copy the bytes of a published partition."""
        first, (begin, behind) = self._file.tell(), stamp.place
        fs, path = storage.filesystem(self._old)
        with fs.open_input_file(path) as source:
            source.seek(begin)
            while piece := source.read(min(_PIECE, behind - source.tell())):
                self._file.write(piece)
        return stamp.at(first, self._file.tell())

    def finish(self, statement: Statement, new: Replacement) -> None:
        """Write the statement of its content."""
        self.close()
        if keeps_notes(self._old.uri):
            new.note = name = secrets.token_hex(16)
        else:
            name = _digest(Location(str(new.path)))
        self._said = _statement_file(self._old, name)
        new.before = partial(storage.write_bytes, self._said, statement.to_bytes())

    def settled(self) -> None:
        """The file is in place: remove orphaned statements."""
        for file in storage.list_files(_statements(self._old)):
            if file.uri != self._said.uri and file.mtime_ns < time.time_ns() - _OLD_NS:
                storage.delete(self._old.at(file.uri))

    def close(self) -> None:
        """The file is complete if `finish` was called before."""
        self._file.close()
