"""Parquet footers and the notes in them, in one place; damage is told from a store that failed.

Arrow raises OSError for some damage ("Couldn't deserialize thrift") just as for a store that is down, which Airflow
would keep retrying. So the bytes are fetched first, where an OSError comes from the store, and then parsed from memory,
where every error is damage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, Stamp
from airflow_batchscore.data.storage.opened import open_input
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAGIC = b"PAR1"
#: Size of the footer length and the trailing magic at the end of a file.
_END = 8
#: Read at once: most footers fit, which saves a second request.
_TAIL = 64 << 10


class DamagedParquetError(InputError):
    """A file whose footer is not that of a whole Parquet file: truncated, overwritten, or another format."""


def read_footer(location: Location) -> pq.FileMetaData:
    """The footer of a file of ours; for an input file, see `input_footer`.

    Raises:
        DamagedParquetError: it is not a Parquet footer. A retry reads the same bytes.
        OSError: the store failed, or there is no such file (FileNotFoundError).
    """
    fs, path = storage.filesystem(location)
    with fs.open_input_file(path) as source:
        return footer_of(source, location.uri)


@lru_cache(maxsize=64)
def input_footer(location: Location, stamp: Stamp) -> pq.FileMetaData:
    """The footer of an input file with that stamp, read once per process. Raises InputError if the file has changed."""
    with open_input(location, stamp) as opened:
        return footer_of(opened.file, location.uri)


@contextmanager
def open_file(location: Location) -> Iterator[pq.ParquetFile]:
    """A file of ours, whose pages are checked as they are read. Raises like `read_footer`."""
    import pyarrow.parquet as pq

    fs, path = storage.filesystem(location)
    with fs.open_input_file(path) as source:
        footer = footer_of(source, location.uri)
        with pq.ParquetFile(source, metadata=footer, page_checksum_verification=True) as file:
            yield file


def open_writer(where: Path | pa.NativeFile, schema: pa.Schema, **how: object) -> pq.ParquetWriter:
    """Writes a file of ours, with checksums of its pages; `how`: `encodings`, for example."""
    import pyarrow.parquet as pq

    return pq.ParquetWriter(where, schema, write_page_checksum=True, **how)


def encodings(schema: pa.Schema) -> dict[str, object]:
    """Fast encodings: dictionaries pay off only for text, deltas for integers such as ids."""
    import pyarrow.types as pt

    def is_text(kind: pa.DataType) -> bool:
        return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_dictionary(kind))

    return {
        "use_dictionary": [field.name for field in schema if is_text(field.type)],
        "column_encoding": {field.name: "DELTA_BINARY_PACKED" for field in schema if pt.is_integer(field.type)},
    }


def add_note(writer: pq.ParquetWriter, key: bytes, value: bytes) -> None:
    """Leave a note about the content in the footer, so that the two cannot be separated."""
    writer.add_key_value_metadata({key: value})


def note(footer: pq.FileMetaData, key: bytes) -> bytes | None:
    """The note with that key in a footer."""
    value: bytes | None = (footer.metadata or {}).get(key)
    return value


def footer_digest(path: Path) -> str:
    """SHA-256 of the footer of a whole file on a disk. Pages have checksums, a footer has none."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        return hashlib.sha256(footer_bytes(file)).hexdigest()


def footer_of(source: pa.NativeFile, uri: str) -> pq.FileMetaData:
    """`read_footer` for an open file; `uri` is its name in messages."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    end = end_of(source)
    try:
        # Arrow does not accept a footer alone; it also looks for the leading magic.
        footer = pq.read_metadata(pa.BufferReader(MAGIC + end))
        assert footer.schema.to_arrow_schema().names is not None  # names that are not UTF-8 raise here
    except Exception as error:  # Arrow raises many kinds, and the bytes are in memory: none is the store's
        raise DamagedParquetError(f"{uri} cannot be read as Parquet, its footer is damaged: {error}") from error
    return footer


def footer_bytes(source: pa.NativeFile) -> bytes:
    """The footer of an open file that `footer_of` accepts, without its length and magic."""
    return end_of(source)[:-_END]


def end_of(source: pa.NativeFile) -> bytes:
    """The footer with its length and magic; of a damaged file, its last bytes. The end of an end is the end itself."""
    size = source.size()
    tail = _last(source, size, min(size, _TAIL))
    if len(tail) < _END or not tail.endswith(MAGIC):
        return tail
    whole = int.from_bytes(tail[-_END:-4], "little") + _END
    if len(tail) < whole <= size:
        tail = _last(source, size, whole)
    return tail[-whole:]


def _last(source: pa.NativeFile, size: int, count: int) -> bytes:
    source.seek(size - count)
    return bytes(source.read(count))
