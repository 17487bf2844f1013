"""Puts row groups that are encoded already into a Parquet file, as bytes: nothing is decoded, only offsets change.

A Parquet file is a row of encoded column chunks and a footer that says where each begins. So row groups of other files
can be copied, and several threads can encode row groups of one file. No library for Python writes such a footer.
pyarrow writes the one of a file without rows, and row groups are entered in it here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

from airflow_batchscore.data.formats.parquet_footer import (
    MAGIC,
    DamagedParquetError,
    encodings,
    footer_bytes,
    open_writer,
)
from airflow_batchscore.data.formats.thrift_compact import BINARY, I64, LIST, STRUCT, Struct, dumps, loads

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

#: Rows in memory while pages are only counted.
_DECODED_ROWS = 1 << 16
# Numbers of fields, from the format's parquet.thrift.
_VERSION, _SCHEMA, _ROWS, _GROUPS, _NOTES, _WRITER, _ORDERS = range(1, 8)  # of FileMetaData
_CHUNKS, _GROUP_BYTES, _GROUP_ROWS, _GROUP_START, _GROUP_SIZE = 1, 2, 3, 5, 6  # of RowGroup
_CHUNK_START, _ABOUT = 2, 3  # of ColumnChunk
_CHUNK_SIZE, _DATA, _DICTIONARY = 7, 9, 11  # of ColumnMetaData
#: What is kept of a ColumnMetaData: all that is required, statistics, and no other offset. Indexes and Bloom filters
#: are optional, and lost.
_KEPT = {1, 2, 3, 4, 5, 6, _CHUNK_SIZE, 8, _DATA, _DICTIONARY, 12, 13, 16}


class Footer:
    """A footer that pyarrow can read, without its length and magic.

    Raises ValueError where it is used if it holds what pyarrow does not write.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def digest(self) -> str:
        """As `parquet_footer.footer_digest` has it."""
        return hashlib.sha256(self._data).hexdigest()

    @cached_property
    def fields(self) -> Struct:
        return loads(self._data)

    @property
    def groups(self) -> list[Struct]:
        return list(self.fields[_GROUPS][1][1])

    def can_be_copied(self, like: Footer) -> bool:
        """Whether its row groups may stand in a file with the columns, and of the writer, of `like`."""
        try:
            mine, theirs = self.fields, like.fields
            return all(mine[field] == theirs[field] for field in (_VERSION, _SCHEMA, _WRITER, _ORDERS))
        except (ValueError, KeyError):
            return False


@dataclass(frozen=True)
class EncodedGroup:
    """A row group in memory: its entry in the footer of a file, and the bytes of that file from offset `base` on.

    Raises DamagedParquetError if they are not all of the row group's.
    """

    entry: Struct
    data: pa.Buffer
    base: int = 0

    def __post_init__(self) -> None:
        (start, end), behind = span(self.entry), self.base + self.data.size
        if start < self.base or end > behind:
            raise DamagedParquetError(
                f"a row group lies at bytes {start} to {end}, of which only {self.base} to {behind} were read"
            )

    @property
    def rows(self) -> int:
        return int(self.entry[_GROUP_ROWS][1])


@dataclass(frozen=True)
class EncodedFile:
    """A whole Parquet file in memory."""

    data: pa.Buffer

    @cached_property
    def footer(self) -> Footer:
        import pyarrow as pa

        return Footer(footer_bytes(pa.BufferReader(self.data)))

    @property
    def groups(self) -> list[EncodedGroup]:
        """Raises DamagedParquetError if one is cut off."""
        return [EncodedGroup(entry, self.data) for entry in self.footer.groups]


def encode(tables: Iterable[pa.Table], schema: pa.Schema, **how: object) -> EncodedFile:
    """A Parquet file of `tables`, each a row group.

    Args:
        how: see `open_writer`; default: `encodings`.
    """
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with open_writer(sink, schema, **(how or encodings(schema))) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(1, table.num_rows))
    return EncodedFile(sink.getvalue())


def rows_in_pages(file: pq.ParquetFile) -> int:
    """Number of rows, having decoded all pages of an open file; little of it is in memory at once."""
    return sum(batch.num_rows for batch in file.iter_batches(_DECODED_ROWS, use_threads=False))


class GroupsWriter:
    """Writes a Parquet file of encoded row groups.

    Args:
        like: the footer of a file with the same columns.
    """

    def __init__(self, sink: BinaryIO, like: Footer) -> None:
        self._sink, self.like = sink, like
        self._groups: list[Struct] = []
        self._at = sink.write(MAGIC)

    @property
    def count(self) -> int:
        """Row groups so far."""
        return len(self._groups)

    @property
    def digest(self) -> str:
        """See `groups_digest`."""
        return groups_digest(self._groups)

    def append(self, *sides: EncodedGroup) -> None:
        """Add a row group with the columns of all `sides`, in this order.

        Raises DamagedParquetError if they differ in their number of rows.
        """
        if len({side.rows for side in sides}) != 1:
            rows = ", ".join(str(side.rows) for side in sides)
            raise DamagedParquetError(f"the columns of a row group differ in their number of rows: {rows}")
        begin = self._at
        chunks = [self._copied(chunk, side) for side in sides for chunk in _chunks(side.entry)]
        # Without an ordinal: only encryption needs it, and it ends at 32,767.
        self._groups.append(
            {
                _CHUNKS: (LIST, (STRUCT, chunks)),
                _GROUP_BYTES: (I64, sum(side.entry[_GROUP_BYTES][1] for side in sides)),
                _GROUP_ROWS: (I64, sides[0].rows),
                _GROUP_START: (I64, begin),
                _GROUP_SIZE: (I64, self._at - begin),
            }
        )

    def _copied(self, chunk: Struct, side: EncodedGroup) -> Struct:
        about: Struct = chunk[_ABOUT][1]
        start, end = _span(about)
        moved = {field: (I64, about[field][1] + self._at - start) for field in (_DICTIONARY, _DATA) if field in about}
        piece = side.data[start - side.base : end - side.base]
        self._at += self._sink.write(piece)
        kept = {field: value for field, value in about.items() if field in _KEPT}
        # A chunk's own offset is deprecated: writers say 0.
        return {_CHUNK_START: (I64, 0), _ABOUT: (STRUCT, {**kept, **moved})}

    def finish(self, notes: dict[bytes, bytes]) -> None:
        """Write the footer, with these notes. Without it the file is not complete."""
        mine = [{1: (BINARY, key), 2: (BINARY, value)} for key, value in notes.items()]
        footer = dumps(
            {
                **self.like.fields,
                _ROWS: (I64, sum(group[_GROUP_ROWS][1] for group in self._groups)),
                _GROUPS: (LIST, (STRUCT, self._groups)),
                _NOTES: (LIST, (STRUCT, [*self.like.fields[_NOTES][1][1], *mine])),
            }
        )
        self._sink.write(footer + len(footer).to_bytes(4, "little") + MAGIC)


def groups_digest(groups: list[Struct]) -> str:
    """SHA-256 of the entries of row groups in a footer."""
    return hashlib.sha256(dumps({_GROUPS: (LIST, (STRUCT, groups))})).hexdigest()


def span(entry: Struct) -> tuple[int, int]:
    """Where the bytes of a row group begin and end in its file."""
    starts, ends = zip(*(_span(chunk[_ABOUT][1]) for chunk in _chunks(entry)), strict=True)
    return min(starts), max(ends)


def _chunks(entry: Struct) -> list[Struct]:
    return list(entry[_CHUNKS][1][1])


def _span(about: Struct) -> tuple[int, int]:
    """Where the pages of a chunk begin and end; a dictionary comes first."""
    start = min(about[field][1] for field in (_DICTIONARY, _DATA) if field in about)
    return start, start + about[_CHUNK_SIZE][1]
