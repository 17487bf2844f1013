"""How files of lines are cut into blocks: byte ranges, or one stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.formats.base import Block, CutRequest, Range
from airflow_batchscore.data.formats.lines import Lines
from airflow_batchscore.data.storage.errors import is_store_error
from airflow_batchscore.errors import InputError

#: A block of lines is held in memory in full while it is parsed.
_MAX_BLOCK_BYTES = 32 << 20
#: A stream is unpacked and parsed in chunks of this size.
_STREAM_BYTES = 16 << 20
#: Bytes from which types are guessed when a sample is enough.
SAMPLE_BYTES = 1 << 18


def byte_ranges(start: int, size: int, row_bytes: float, request: CutRequest) -> list[Range]:
    """Byte ranges from `start` to the end of a file, each with about the requested rows."""
    step = min(max(int(request.block_rows * row_bytes), 1), request.batch_bytes, _MAX_BLOCK_BYTES)
    return [(at, min(at + step, size), 0, 0) for at in range(start, size, step)]


def stream_bytes(request: CutRequest) -> int:
    """How much of a stream is parsed at once."""
    return min(request.batch_bytes, _STREAM_BYTES)


def first_rows(block: Block) -> Block:
    """The beginning of a block, of which one chunk is a sample."""
    source = replace(block.source, batch_bytes=SAMPLE_BYTES)
    return replace(block, source=source, stop=min(block.stop, block.start + SAMPLE_BYTES))


def numbered(chunks: Iterable[Lines], read: Callable[[Lines], Batch], uri: str) -> Iterator[Batch]:
    """A block's batches, whose rows are numbered over all its chunks. An InputError of `read` names the file."""
    rows = 0
    for lines in chunks:
        try:
            batch = read(lines).behind(rows)
        except InputError as error:
            raise type(error)(f"{uri}: {error}") from error
        rows += batch.rows_read
        yield batch


@contextmanager
def to_the_end(uri: str) -> Iterator[None]:
    """Raise InputError if a stream is damaged or cut off; errors of the store pass."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        if is_store_error(error):
            raise
        raise InputError(f"{uri} cannot be read to its end: {error}") from error
