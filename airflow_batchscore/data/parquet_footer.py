"""Parquet footers, with damage told from a store that failed.

Arrow raises OSError for some damage ("Couldn't deserialize thrift") as for a store that is down, which Airflow would
retry for ever. So the bytes are fetched first, where an OSError is the store's, and parsed from memory, where every
error is damage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_MAGIC = b"PAR1"
#: Bytes of the length of the footer and the magic behind it, which end a file.
_END = 8
#: Read at once: most footers fit, and a second request is saved.
_TAIL = 64 << 10


class DamagedParquetError(InputError):
    """A file whose footer is not that of a whole Parquet file: cut off, overwritten, or something else."""


def read_footer(uri: str, conn_id: str | None) -> pq.FileMetaData:
    """The footer of a file of ours; one of an input is read by `footer_of` from the file as opened.

    Raises:
        DamagedParquetError: it is not that of a Parquet file. A retry reads the same bytes.
        OSError: the store failed, or there is no such file (FileNotFoundError).
    """
    fs, path = storage.filesystem(uri, conn_id)
    with fs.open_input_file(path) as source:
        return footer_of(source, uri)


def footer_of(source: pa.NativeFile, uri: str) -> pq.FileMetaData:
    """`read_footer` of a file that is open; `uri` is what messages call it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    size = source.size()
    tail = _last(source, size, min(size, _TAIL))
    if len(tail) >= _END and tail.endswith(_MAGIC):
        whole = int.from_bytes(tail[-_END:-4], "little") + _END
        if len(tail) < whole <= size:
            tail = _last(source, size, whole)
        # A footer alone is no file to Arrow, which looks for the magic in front, too.
        tail = _MAGIC + tail[-whole:] if whole <= len(tail) else tail
    try:
        footer = pq.read_metadata(pa.BufferReader(tail))
        assert footer.schema.to_arrow_schema().names is not None  # names that are not UTF-8 raise here
    except Exception as error:  # Arrow has many, and the bytes are here: nothing of it is the store's
        raise DamagedParquetError(f"{uri} cannot be read as Parquet, its footer is damaged: {error}") from error
    return footer


def _last(source: pa.NativeFile, size: int, count: int) -> bytes:
    source.seek(size - count)
    return bytes(source.read(count))
