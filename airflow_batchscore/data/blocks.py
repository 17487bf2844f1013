"""Blocks: the slices of a partition that are read, scored, written and retried one by one.

CSV files are cut into byte ranges (`csv_file`), or are one stream. Parquet is cut by `parquet_reader`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from airflow_batchscore.data import storage
from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.csv_file import look_at, range_lines, stream_lines
from airflow_batchscore.data.csv_reader import CsvReader
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.lines import Lines
from airflow_batchscore.data.opened import look, open_input
from airflow_batchscore.data.parquet_reader import BATCH_BYTES, BATCH_ROWS, ParquetReader
from airflow_batchscore.data.parquet_rows import TypedRows
from airflow_batchscore.data.storage import Stamp
from airflow_batchscore.data.store_errors import is_store_error, reading
from airflow_batchscore.data.type_names import name_of
from airflow_batchscore.errors import InputError

#: A CSV block is held in memory whole while it is parsed.
_MAX_BLOCK_BYTES = 32 << 20
#: A compressed file is unpacked and parsed this much at a time.
_STREAM_BYTES = 16 << 20
#: Share of a worker's memory that a batch may take as it is read: features, model input and outputs come on top.
_BATCH_SHARE = 12
_LEAST_BATCH_BYTES = 1 << 20


@dataclass(frozen=True)
class Source:
    """One file of a partition, as far as a reader must know it before it opens it.

    Attributes:
        stamp: of the file as it was opened to be cut; a reader refuses other bytes.
        kind: ``bytes`` (CSV, cut at line ends), ``stream`` (CSV, front to back) or ``row_groups`` (Parquet).
        columns: the column names, in the order of the file.
        data_start: for ``bytes``, the offset of the first row.
        line_end: for CSV, the character that ends every line.
        batch_rows: rows that a Parquet reader hands on at once.
        batch_bytes: most bytes that a reader hands on at once.
        keys: for ``row_groups``, the types of the key columns that `cut` was asked for; see `type_names`.
    """

    uri: str
    stamp: Stamp
    kind: Literal["bytes", "stream", "row_groups"]
    columns: tuple[str, ...]
    data_start: int = 0
    line_end: str = "\n"
    batch_rows: int = BATCH_ROWS
    batch_bytes: int = BATCH_BYTES
    keys: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> int:
        """Bytes on storage."""
        return self.stamp.size


@dataclass(frozen=True)
class Block:
    """`start` to `stop` of a source: byte offsets or row groups, stop excluded.

    Attributes:
        rows: first and last row (excluded) within the one row group that the block is a part of; zeros for all.
    """

    index: int
    source: Source
    start: int
    stop: int
    rows: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        """How messages call this block."""
        part = f", rows {self.rows[0]} to {self.rows[1]}" if self.rows[1] else ""
        return f"block {self.index} ({self.source.uri}, {self.source.kind} {self.start} to {self.stop}{part})"


@dataclass(frozen=True)
class _Cut:
    """How files are cut; see `cut`."""

    block_rows: int
    columns: Sequence[str] | None
    batch_bytes: int
    keys: Sequence[str]


def cut(
    dataset: PartitionedDataset,
    partition: Partition,
    *,
    block_rows: int,
    columns: Sequence[str] | None = None,
    block_memory: int | None = None,
    keys: Sequence[str] = (),
) -> list[Block]:
    """Cut a partition into blocks of about `block_rows` rows, in the order of its rows.

    Args:
        columns: those that will be read; all when None.
        block_memory: bytes that scoring a block may use.
        keys: columns whose types in a Parquet file are noted down, for `key_types`.

    Raises:
        InputError: a file is empty or cannot be read as its format, or is not the one that `partition` is held to.
    """
    share = BATCH_BYTES if block_memory is None else block_memory // _BATCH_SHARE
    batch_bytes = min(max(share, _LEAST_BATCH_BYTES), BATCH_BYTES)
    how = _Cut(block_rows, columns, batch_bytes, keys)
    blocks: list[Block] = []
    try:
        files = storage.each(lambda file: _cut_file(dataset, file, how), partition.files, dataset.uri)
    except InputError as error:
        raise type(error)(f"partition {partition.key}: {error}") from error
    for source, ranges in files:
        # A file without rows is a block without rows: its part still says which columns there are.
        ranges = ranges or [(source.data_start, source.data_start, 0, 0)]
        blocks += [
            Block(len(blocks) + n, source, start, stop, (first, last))
            for n, (start, stop, first, last) in enumerate(ranges)
        ]
    return blocks


def _cut_file(
    dataset: PartitionedDataset, file: storage.FileInfo, how: _Cut
) -> tuple[Source, list[tuple[int, int, int, int]]]:
    with reading(file.uri):
        if dataset.file_format(file.uri) == "parquet":
            return _cut_parquet(dataset, file, how)
        return _cut_csv(dataset, file, how)


def _require_bytes(uri: str, size: int) -> None:
    if size == 0:
        raise InputError(f"{uri} is empty (0 bytes)")


def _cut_csv(
    dataset: PartitionedDataset, file: storage.FileInfo, how: _Cut
) -> tuple[Source, list[tuple[int, int, int, int]]]:
    with open_input(file.uri, dataset.conn_id, file.stamp) as opened:
        stamp, size = opened.stamp, opened.stamp.size
        _require_bytes(file.uri, size)
        layout = look_at(opened, dataset.read_options)
    columns, start, line_end = layout.columns, layout.data_start, layout.line_end
    if layout.is_stream:
        batch_bytes = min(how.batch_bytes, _STREAM_BYTES)
        return Source(file.uri, stamp, "stream", columns, 0, line_end, batch_bytes=batch_bytes), [(0, size, 0, 0)]
    step = min(max(int(how.block_rows * layout.row_bytes), 1), how.batch_bytes, _MAX_BLOCK_BYTES)
    found = Source(file.uri, stamp, "bytes", columns, start, line_end)
    return found, [(at, min(at + step, size), 0, 0) for at in range(start, size, step)]


def _cut_parquet(
    dataset: PartitionedDataset, file: storage.FileInfo, how: _Cut
) -> tuple[Source, list[tuple[int, int, int, int]]]:
    stamp = file.stamp or look(file.uri, dataset.conn_id)
    _require_bytes(file.uri, stamp.size)
    reader = ParquetReader(file.uri, stamp, dataset.conn_id, how.columns, how.batch_bytes)
    batch_rows = reader.batch_rows(how.block_rows)
    columns = reader.column_names
    keys = tuple((field.name, name_of(field.type)) for field in reader.schema if field.name in how.keys)
    batch_bytes = how.batch_bytes
    source = Source(file.uri, stamp, "row_groups", columns, batch_rows=batch_rows, batch_bytes=batch_bytes, keys=keys)
    return source, reader.cut(how.block_rows, batch_rows)


def require_columns(source: Source, names: Sequence[str], *, partition_key: str) -> None:
    """Raises InputError that names the columns of `names` that the file lacks, or has twice."""
    missing = [name for name in names if name not in source.columns]
    if missing:
        has = ", ".join(source.columns[:60])
        raise InputError(f"partition {partition_key}: {source.uri} lacks the columns {missing}; it has {has}")
    twice = sorted({name for name in names if source.columns.count(name) > 1})
    if twice:
        raise InputError(f"partition {partition_key}: {source.uri} has more than one column named {twice}")


def read(
    dataset: PartitionedDataset,
    block: Block,
    columns: Mapping[str, str | None],
    keys: Mapping[str, str | None] | None = None,
) -> Iterator[Batch]:
    """The rows of a block in order, in batches.

    Args:
        columns: name -> type name of what fills `Batch.table`; a Parquet column whose type is None keeps its own type,
            one of CSV is text.
        keys: likewise, of what fills `Batch.keys`.

    Raises:
        InputError: the file is damaged or has changed, a Parquet column cannot have the type asked for, or one of
            `NO_TYPE` has a value.
    """
    keys = keys or {}
    if block.source.kind == "row_groups":
        yield from _read_parquet(dataset, block, columns, keys)
        return
    reader = CsvReader(block.source.columns, columns, dataset.read_options, keys)
    rows = 0
    for lines in csv_lines(dataset, block):
        try:
            batch = reader.read(lines).behind(rows)
        except InputError as error:
            raise type(error)(f"{block.source.uri}: {error}") from error
        rows += batch.rows_read
        yield batch


def csv_lines(dataset: PartitionedDataset, block: Block) -> Iterator[Lines]:
    """The lines of a block of CSV, about as many at a time as a reader hands on. Raises InputError: see `read`."""
    source, options = block.source, dataset.read_options
    with open_input(source.uri, dataset.conn_id, source.stamp) as opened:
        if source.kind == "stream":
            yield from stream_lines(opened, options, source.line_end, source.batch_bytes)
            return
        place = (block.start, block.stop)
        lines = range_lines(opened, options, *place, data_start=source.data_start, line_end=source.line_end)
    yield lines


def _read_parquet(
    dataset: PartitionedDataset, block: Block, columns: Mapping[str, str | None], keys: Mapping[str, str | None]
) -> Iterator[Batch]:
    import pyarrow as pa

    source, place = block.source, (block.start, block.stop, *block.rows)
    names = list(dict.fromkeys([*columns, *keys]))
    reader = ParquetReader(source.uri, source.stamp, dataset.conn_id, names, source.batch_bytes)
    rows = TypedRows(columns, keys, block.name, source.uri, dataset.column_types)
    try:
        yield from rows.of(reader, place, source.batch_rows)
    except (pa.ArrowException, OSError) as error:
        if is_store_error(error):
            raise
        raise InputError(f"{block.name} is damaged: {error}") from error
