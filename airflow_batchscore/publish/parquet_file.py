"""One Parquet file of many partitions: each has row groups of its own, which are copied when the partition is kept."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.store_errors import is_store_error
from airflow_batchscore.data.swap import Replacement, Seen
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.parts import part_schema, read_parts
from airflow_batchscore.publish.stamp import FOOTER_KEY, Stamp, Statement, read_statement
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

#: Rows that are in memory when a partition is copied, at most.
_GROUP_ROWS = 1 << 20


def statement(uri: str, seen: Seen, conn_id: str | None) -> Statement | None:
    """What the file at `uri` says of itself; see `read_statement`."""
    return read_statement(uri, conn_id)


def write_partition(path: Path, stamp: Stamp, manifest: Manifest) -> None:
    """A file of one partition."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, part_schema(manifest), write_page_checksum=True) as writer:
        for table in read_parts(manifest):
            if table.num_rows:
                writer.write_table(table)
        writer.add_key_value_metadata({FOOTER_KEY: Statement(manifest.schema, [stamp]).to_bytes()})


class ParquetFile:
    """Writes partitions one after the other; the statement goes into the footer.

    Args:
        old, conn_id: the published file that kept partitions are copied from.
    """

    def __init__(self, path: Path, schema: pa.Schema, old: str, conn_id: str | None) -> None:
        import pyarrow.parquet as pq

        self._old, self._conn_id, self._schema = old, conn_id, schema
        self._writer = pq.ParquetWriter(path, schema, write_page_checksum=True)
        self._groups = 0

    def add(self, stamp: Stamp, tables: Iterable[pa.Table]) -> Stamp:
        """Write a partition; returns its stamp with its place."""
        first = self._groups
        for table in tables:
            self._write(table)
        return stamp.at(first, self._groups)

    def keep(self, stamp: Stamp) -> Stamp:
        """Copy a partition that is published, row group by row group."""
        import pyarrow.parquet as pq

        first = self._groups
        fs, path = storage.filesystem(self._old, self._conn_id)
        with fs.open_input_file(path) as source, pq.ParquetFile(source, page_checksum_verification=True) as old:
            for group in range(*stamp.place):
                self._write(self._row_group(old, group, stamp.key).cast(self._schema))
        return stamp.at(first, self._groups)

    def _row_group(self, old: pq.ParquetFile, group: int, key: str) -> pa.Table:
        import pyarrow as pa

        try:
            return old.read_row_group(group)
        except (pa.ArrowException, OSError) as error:
            if is_store_error(error):
                raise
            raise OutputError(
                f"not published: {self._old} is damaged where partition {key} lies, which this run did not score and "
                f"which would be kept: {error}. Score that partition too, or drop all that this run did not score with "
                "replace_all=True"
            ) from error

    def _write(self, table: pa.Table) -> None:
        if table.num_rows:
            self._writer.write_table(table, row_group_size=_GROUP_ROWS)
            self._groups += -(-table.num_rows // _GROUP_ROWS)

    def finish(self, said: Statement, new: Replacement) -> None:
        """Say what is in it."""
        self._writer.add_key_value_metadata({FOOTER_KEY: said.to_bytes()})

    def settled(self) -> None:
        """The file has taken its place."""

    def close(self) -> None:
        """The file is whole if `finish` was called before."""
        self._writer.close()
