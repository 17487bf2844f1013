"""Batches of a Parquet file with the types asked for; rows with a value that does not fit are set apart."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.casting import fit, texts
from airflow_batchscore.data.parquet_reader import ParquetReader, Range

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class TypedRows:
    """How a file's rows are read; see `casting.fit`.

    Attributes:
        what, uri: how messages call the rows as a whole, and the file.
    """

    columns: Mapping[str, str | None]
    keys: Mapping[str, str | None]
    what: str
    uri: str
    declared: Collection[str]

    def of(self, reader: ParquetReader, place: Range, batch_rows: int) -> Iterator[Batch]:
        """The rows of a range in order; one batch without rows where there are none, for the sake of its types."""
        import pyarrow as pa

        start = 0
        for batch in reader.read(place, batch_rows):
            yield self._batch(pa.Table.from_batches([batch]), start)
            start += batch.num_rows
        if not start:
            yield self._batch(reader.schema.empty_table(), 0)

    def _batch(self, table: pa.Table, start: int) -> Batch:
        fitted = fit(table, self.columns, self.keys, self.what, self.declared)
        bad = [
            BadRow(start + row, "ParseError", f"{self.uri}: {message}", texts(table, row))
            for row, message in sorted(fitted.problems.items())
        ]
        return Batch(fitted.inputs, start + fitted.rows, bad, fitted.keys)
