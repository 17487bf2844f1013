"""One CSV file of many partitions: each has a range of bytes of its own, which is copied when the partition is kept.

CSV has no room for the statement, so it lies in ``_published/<name>/`` beside the file, and is written first. Which
statement is a file's is said by what cannot come apart from the file: on S3 a note among the object's metadata, which
is written in one step with it; elsewhere the SHA-256 of its bytes, which is the statement's name. A crash between the
two writes leaves the old file with its old statement, and one that no file has.
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
from airflow_batchscore.data.swap import Replacement, Seen, keeps_notes
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.stamp import ForeignFileError, Stamp, Statement

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE = 8 << 20
#: Statements that no file has are kept as long: one may be that of a publisher that is at work.
_OLD_NS = 24 * 3600 * 10**9


def statement(uri: str, seen: Seen, conn_id: str | None) -> Statement | None:
    """What was said of the file at `uri`; None where it is gone. Raises ForeignFileError when nothing was."""
    try:
        name = seen.note if keeps_notes(uri) else _digest(uri, conn_id)
        if name is None:
            raise ForeignFileError(f"{uri} was not published by this package")
        return Statement.from_bytes(storage.read_bytes(_place(uri, name), conn_id), uri)
    except FileNotFoundError:
        if storage.stat(uri, conn_id) is None:
            return None
        raise ForeignFileError(f"{uri} was not published by this package, or was changed since") from None


def _place(uri: str, name: str) -> str:
    return storage.join(_folder(uri), f"{name}.json")


def _folder(uri: str) -> str:
    return storage.beside(uri, "_published", uri.rpartition("/")[2])


def _digest(uri: str, conn_id: str | None) -> str:
    fs, path = storage.filesystem(uri, conn_id)
    digest = hashlib.sha256()
    with fs.open_input_file(path) as source:
        while piece := source.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _unwritable(table: pa.Table, what: str, error: Exception) -> OutputError:
    """What to say of columns that cannot be written."""
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
        old, conn_id: the published file that kept partitions are copied from.
    """

    def __init__(self, path: Path, schema: pa.Schema, old: str, conn_id: str | None) -> None:
        import pyarrow as pa
        import pyarrow.csv as pc

        self._old, self._conn_id = old, conn_id
        self._file = path.open("wb")
        try:
            self._writer = pc.CSVWriter(self._file, schema)
        except pa.ArrowException as error:
            self._file.close()
            raise _unwritable(schema.empty_table(), "the output", error) from error

    def add(self, stamp: Stamp, tables: Iterable[pa.Table]) -> Stamp:
        """Write a partition; returns its stamp with its place."""
        import pyarrow as pa

        first = self._file.tell()
        for table in tables:
            try:
                self._writer.write_table(table)
            except pa.ArrowException as error:
                raise _unwritable(table, f"partition {stamp.key}", error) from error
        return stamp.at(first, self._file.tell())

    def keep(self, stamp: Stamp) -> Stamp:
        """Copy the bytes of a partition that is published."""
        first, (begin, behind) = self._file.tell(), stamp.place
        fs, path = storage.filesystem(self._old, self._conn_id)
        with fs.open_input_file(path) as source:
            source.seek(begin)
            while piece := source.read(min(_PIECE, behind - source.tell())):
                self._file.write(piece)
        return stamp.at(first, self._file.tell())

    def finish(self, said: Statement, new: Replacement) -> None:
        """Say what is in it."""
        self.close()
        if keeps_notes(self._old):
            new.note = name = secrets.token_hex(16)
        else:
            name = _digest(str(new.path), None)
        self._said = _place(self._old, name)
        new.before = partial(storage.write_bytes, self._said, said.to_bytes(), self._conn_id)

    def settled(self) -> None:
        """The file has taken its place: remove statements that no file has."""
        for file in storage.list_files(_folder(self._old), self._conn_id):
            if file.uri != self._said and file.mtime_ns < time.time_ns() - _OLD_NS:
                storage.delete(file.uri, self._conn_id)

    def close(self) -> None:
        """The file is whole if `finish` was called before."""
        self._writer.close()
        self._file.close()
