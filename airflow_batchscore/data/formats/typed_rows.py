"""Rows of files that state their columns' types, as the requested types; rows with a misfit are set apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.casting import fit, fits_as_it_is, texts
from airflow_batchscore.data.common_type import plain
from airflow_batchscore.data.formats.base import Block, ReadSettings
from airflow_batchscore.data.formats.text_types import type_name
from airflow_batchscore.data.storage.errors import is_store_error
from airflow_batchscore.data.type_names import is_text, name_of
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class TypedRows:
    """How a block's rows are read; see `casting.fit`."""

    block: Block
    settings: ReadSettings
    columns: Mapping[str, str | None]
    keys: Mapping[str, str | None]

    @property
    def names(self) -> list[str]:
        """The columns to read."""
        return list(dict.fromkeys([*self.columns, *self.keys]))

    def of(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[Batch]:
        """The rows of a block in order; if it has none, one empty batch that carries the types.

        Args:
            batches: of the columns `names`.
            schema: of the batches.

        Raises InputError if the file is damaged or a column cannot be read as the requested type.
        """
        import pyarrow as pa

        start = 0
        fitting = None
        if fits_as_it_is(schema, self.columns, self.keys):
            fitting = pa.schema([schema.field(name) for name in self.names])
        try:
            for batch in batches:
                table = pa.Table.from_batches([batch])
                fits = fitting is not None and table.select(self.names).schema.equals(fitting)
                yield self._as_it_is(table, start) if fits else self._batch(table, start)
                start += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            if is_store_error(error):
                raise
            raise InputError(f"{self.block.name} is damaged: {error}") from error
        if not start:
            yield self._batch(schema.empty_table(), 0)

    def _as_it_is(self, table: pa.Table, start: int) -> Batch:
        import numpy as np

        positions = np.arange(start, start + table.num_rows)
        return Batch(table.select(list(self.columns)), positions, [], table.select(list(self.keys)))

    def _batch(self, table: pa.Table, start: int) -> Batch:
        fitted = fit(table, self.columns, self.keys, self.block.name, self.settings.column_types)
        uri = self.block.source.uri
        bad = [
            BadRow(start + row, "ParseError", f"{uri}: {message}", texts(table, row))
            for row, message in sorted(fitted.problems.items())
        ]
        return Batch(fitted.inputs, start + fitted.rows, bad, fitted.keys)


def key_types_in(schema: pa.Schema, keys: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """`Source.keys` of a file with these columns."""
    return tuple((field.name, name_of(field.type)) for field in schema if field.name in keys)


def types_in(schema: pa.Schema, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """`Format.types` of a file with these columns: plain names for numbers, text and Booleans, else Arrow's own."""
    return ((field.name, plain_type(field.type)) for field in schema if wanted(field.name))


def plain_type(arrow: pa.DataType) -> str:
    """A plain name for numbers, text and Booleans, else Arrow's own."""
    import pyarrow.types as pt

    arrow = plain(arrow)
    if pt.is_uint64(arrow):
        return "uint64"
    if pt.is_integer(arrow) or pt.is_floating(arrow) or pt.is_boolean(arrow) or pt.is_null(arrow):
        return type_name(arrow)
    return "string" if is_text(arrow) else name_of(arrow)
