"""Reads Parquet row groups as Arrow batches, cut into blocks, with bounded memory.

Small row groups are merged into a block. A row group far larger than a block is cut into row ranges; Parquet pages can
only be read forward, so a thread keeps its reader from one range to the next and skips what others read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.data.formats import parquet_int96 as int96
from airflow_batchscore.data.formats.base import BATCH_BYTES, BATCH_ROWS, Range
from airflow_batchscore.data.formats.parquet_footer import input_footer
from airflow_batchscore.data.storage import Location, Stamp
from airflow_batchscore.data.storage.opened import Opened, open_input

if TYPE_CHECKING:
    import pyarrow as pa

#: A row group of more blocks than this is cut: every thread then reads all of it to score a part.
_WHOLE_GROUP_BLOCKS = 8
_SAMPLE_ROWS = 1000
_LOCAL_BUFFER = 1 << 20
_REMOTE_BUFFER = 8 << 20

_kept = threading.local()


class ParquetReader:
    """One file and its requested columns.

    Args:
        stamp: of the file; another file of that name is refused.
        columns: None for all.
        batch_bytes: maximum size of a batch, which has at least one row.
    """

    def __init__(
        self,
        location: Location,
        stamp: Stamp,
        columns: Sequence[str] | None = None,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        self._location = location
        self._stamp = stamp
        self._columns = None if columns is None else list(columns)
        self._batch_bytes = batch_bytes
        self._opened: Opened | None = None
        self.metadata = input_footer(location, stamp)
        self._int96 = int96.int96_columns(self.metadata, self._columns, location.uri)

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(self.metadata.schema.to_arrow_schema().names)

    @property
    def schema(self) -> pa.Schema:
        """The requested columns as `read` returns them, without others' metadata (such as a pandas index)."""
        import pyarrow as pa

        fields = [f for f in self.metadata.schema.to_arrow_schema() if self._columns is None or f.name in self._columns]
        coarse = pa.timestamp(int96.UNIT)
        return pa.schema([(field.name, coarse if field.name in self._int96 else field.type) for field in fields])

    def batch_rows(self, block_rows: int) -> int:
        """Number of rows that take about `batch_bytes`, judged by the file's first rows."""
        import pyarrow.types as pt

        schema = self.metadata.schema.to_arrow_schema()
        wanted = [field for field in schema if self._columns is None or field.name in self._columns]
        if all(pt.is_primitive(field.type) for field in wanted):
            row_bytes = sum(max(int(field.type.bit_width) // 8, 1) for field in wanted)
        else:
            first = next(self._batches(range(min(1, self.metadata.num_row_groups)), _SAMPLE_ROWS), None)
            row_bytes = int(first.nbytes) // int(first.num_rows) if first is not None and first.num_rows else 1
        return max(1, min(BATCH_ROWS, block_rows, self._batch_bytes // max(row_bytes, 1)))

    def cut(self, block_rows: int, batch_rows: int) -> list[Range]:
        """Ranges of about `block_rows` rows, in order."""
        ranges, start, rows = list[Range](), 0, 0
        for group in range(self.metadata.num_row_groups):
            here = self.metadata.row_group(group).num_rows
            if here > _WHOLE_GROUP_BLOCKS * block_rows:
                if start < group:
                    ranges.append((start, group, 0, 0))
                step = max(block_rows // batch_rows, 1) * batch_rows
                ranges += [(group, group + 1, row, min(row + step, here)) for row in range(0, here, step)]
                start, rows = group + 1, 0
                continue
            rows += here
            if rows >= block_rows:
                ranges, start, rows = [*ranges, (start, group + 1, 0, 0)], group + 1, 0
        if start < self.metadata.num_row_groups:
            ranges.append((start, self.metadata.num_row_groups, 0, 0))
        return ranges

    def read(self, place: Range, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Batches of a range, in order.

        Raises:
            InputError: an INT96 timestamp is finer than the unit it is read in.
            pyarrow.ArrowException, OSError: the pages are damaged, or the store failed.
        """
        import pyarrow as pa

        first, last, start, stop = place
        if stop:
            batches = self._read_part(first, start, stop, batch_rows)
        else:
            batches = self._batches(range(first, last), batch_rows)
        for batch in batches:
            batch = pa.RecordBatch.from_arrays(batch.columns, names=batch.schema.names)
            step = max(1, batch.num_rows * self._batch_bytes // max(batch.nbytes, 1))
            for row in range(0, batch.num_rows, step):
                yield batch.slice(row, step)

    def _read_part(self, group: int, start: int, stop: int, batch_rows: int) -> Iterator[pa.RecordBatch]:
        key = (self._location, self._stamp, tuple(self._columns or ()), group, batch_rows)
        kept: tuple[object, _Forward] | None = getattr(_kept, "reader", None)
        if kept is None or kept[0] != key or kept[1].row > start:
            kept = (key, _Forward(self._batches(range(group, group + 1), batch_rows), self.check))
        _kept.reader = None  # an error below must not leave a half-used reader behind
        yield from kept[1].take(start, stop)
        kept[1].check()
        if stop < self.metadata.row_group(group).num_rows:
            _kept.reader = kept

    def _batches(self, groups: range, batch_rows: int) -> Iterator[pa.RecordBatch]:
        # Local pages stream through a small buffer. From a remote store, all chunks of the block are requested at once,
        # unless they are so large that streaming is better.
        local = self._location.is_local
        ahead = not local and self._chunk_bytes(groups) <= 2 * self._batch_bytes
        how = {"pre_buffer": ahead, "buffer_size": 0 if ahead else _LOCAL_BUFFER if local else _REMOTE_BUFFER}
        with open_input(self._location, self._stamp) as opened:
            batches = self._iterate(
                opened.file, groups, batch_rows, self._columns, coerce_int96_timestamp_unit=int96.UNIT, **how
            )
            if self._int96:
                nanoseconds = self._iterate(opened.file, groups, batch_rows, self._int96, **how)
                batches = int96.exact(batches, nanoseconds, self._location.uri)
            self._opened = opened
            try:
                yield from batches
            finally:
                self._opened = None

    def check(self) -> None:
        """Raise InputError if the file has changed since it was opened; does nothing if it is not open."""
        if self._opened is not None:
            self._opened.check()

    def _iterate(
        self, source: pa.NativeFile, groups: range, batch_rows: int, columns: list[str] | None, **how: object
    ) -> Iterator[pa.RecordBatch]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(source, metadata=self.metadata, page_checksum_verification=True, **how) as opened:
            yield from opened.iter_batches(batch_rows, row_groups=groups, columns=columns, use_threads=False)

    def _chunk_bytes(self, groups: range) -> int:
        """Compressed size of the requested columns of some row groups."""
        total = 0
        for group in map(self.metadata.row_group, groups):
            chunks = (group.column(place) for place in range(group.num_columns))
            total += sum(
                chunk.total_compressed_size
                for chunk in chunks
                if self._columns is None or chunk.path_in_schema.partition(".")[0] in self._columns
            )
        return total


class _Forward:
    """The rows of a row group, returned range by range, never backwards."""

    def __init__(self, batches: Iterator[pa.RecordBatch], check: Callable[[], None]) -> None:
        self._batches = batches
        self.check = check
        self._batch: pa.RecordBatch | None = None
        #: Row at which the current or the next batch begins.
        self.row = 0

    def take(self, start: int, stop: int) -> Iterator[pa.RecordBatch]:
        while self.row < stop:
            batch = self._batch = self._batch or next(self._batches, None)
            if batch is None:
                return
            end = self.row + batch.num_rows
            if end > start:
                first = max(start, self.row)
                yield batch.slice(first - self.row, min(end, stop) - first)
            if end > stop:
                return
            self._batch, self.row = None, end
