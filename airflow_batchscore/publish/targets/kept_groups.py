"""Row groups of a published file that stay in it when it is written again."""

from __future__ import annotations

import io
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.formats.parquet_footer import DamagedParquetError, end_of, footer_bytes, footer_of, note
from airflow_batchscore.data.formats.parquet_groups import (
    EncodedFile,
    EncodedGroup,
    Footer,
    GroupsWriter,
    groups_digest,
    rows_in_pages,
    span,
)
from airflow_batchscore.data.formats.thrift_compact import Struct
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.errors import is_store_error
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.ahead import in_order
from airflow_batchscore.publish.stamp import Statement
from airflow_batchscore.publish.targets.parquet_writer import FOOTER_KEY, Sides, encoded

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


@dataclass(frozen=True)
class KeptGroups:
    """The row groups of a published file.

    Attributes:
        schema, like: columns and footer of the file that they go to.
        footer: of the published file.
        entries: of the row groups in that footer, if these are copied as bytes. None if they are encoded again: the
            entries are not known to be those that were published, or another version of pyarrow wrote them.
    """

    location: Location
    schema: pa.Schema
    like: Footer
    footer: pq.FileMetaData
    entries: list[Struct] | None

    @classmethod
    def of(cls, location: Location, schema: pa.Schema, like: Footer) -> KeptGroups:
        """Look at a published file, whose columns are those of the file that `schema` and `like` are of."""
        import pyarrow as pa

        fs, path = storage.filesystem(location)
        with fs.open_input_file(path) as source:
            end = pa.BufferReader(end_of(source))
        footer, raw = footer_of(end, location.uri), Footer(footer_bytes(end))
        published = Statement.from_bytes(note(footer, FOOTER_KEY) or b"", location.uri).groups
        copied = raw.can_be_copied(like) and groups_digest(raw.groups) == published
        return cls(location, schema, like, footer, raw.groups if copied else None)

    def read(self, numbers: Sequence[int], partition: str) -> Generator[list[Sides]]:
        """The row groups of a partition in the form that `PartsWriter.add` takes; the next few are read ahead.

        Raises:
            OutputError: one is damaged.
            OSError: the store failed.
        """
        return in_order(
            partial(self._read, partition), numbers, lambda number: self.footer.row_group(number).total_byte_size
        )

    def _read(self, partition: str, number: int) -> list[Sides]:
        import pyarrow as pa

        fs, path = storage.filesystem(self.location)
        try:
            with fs.open_input_file(path) as source:
                if self.entries is None:
                    return [(group,) for group in self._encode_again(source, number).groups]
                return [(self._copy(source, self.entries[number]),)]
        except (pa.ArrowException, OSError, DamagedParquetError) as error:
            if is_store_error(error):
                raise
            raise OutputError(
                f"not published: {self.location} is damaged where partition {partition} lies, which this run did not "
                f"score and which would be kept: {error}. Score that partition too, or drop all that this run did not "
                "score with replace_all=True"
            ) from error

    def _copy(self, source: pa.NativeFile, entry: Struct) -> EncodedGroup:
        """The bytes of a row group, whose pages were decoded to check them."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        start, end = span(entry)
        source.seek(start)
        group = EncodedGroup(entry, source.read_buffer(end - start), start)
        alone = io.BytesIO()
        writer = GroupsWriter(alone, self.like)
        writer.append(group)
        writer.finish({})
        with pq.ParquetFile(pa.BufferReader(alone.getbuffer()), page_checksum_verification=True) as file:
            if rows_in_pages(file) != group.rows:
                raise OSError(f"a row group has {group.rows} rows in the footer and another number in its pages")
        return group

    def _encode_again(self, source: pa.NativeFile, number: int) -> EncodedFile:
        import pyarrow.parquet as pq

        with pq.ParquetFile(source, metadata=self.footer, page_checksum_verification=True) as file:
            return encoded(file.read_row_group(number, use_threads=False).cast(self.schema))
