"""Columns of numbers that one other cell made text of: what to say when code fails on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats.csv_numbers import Numbers
from airflow_batchscore.data.formats.registry import format_named, format_of
from airflow_batchscore.data.type_names import is_text
from airflow_batchscore.data.virtual import virtual_names

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_NAMED = 3


def taken_for_text(dataset: PartitionedDataset, table: pa.Table, error: Exception) -> str:
    """Advice for code that raised: columns of text without a declared type most of whose cells are numbers.

    Args:
        table: the rows that the code was given, as they were read.
        error: of the code. Only a TypeError or a ValueError can come from such a column.

    Returns:
        Sentences to append; empty if there is no such column, or files state their types.
    """
    chosen = format_named(dataset.format) if dataset.format else format_of(dataset.uri)
    typed = dataset.table is not None or (chosen is not None and chosen.typed)
    if typed or not isinstance(error, (TypeError, ValueError)):
        return ""
    known = {*dataset.column_types, *virtual_names(dataset)}
    numbers = Numbers.of(dataset.read_options)
    odd = {field.name: _odd(table.column(field.name), numbers) for field in table.schema if field.name not in known}
    found = [(name, cell) for name, cell in odd.items() if cell is not None][:_MOST_NAMED]
    if not found:
        return ""
    named = "".join(
        f". The column {name!r} is text, because not all of its cells are numbers: {cell!r}" for name, cell in found
    )
    types = dict.fromkeys((name for name, _ in found), "float64")
    return f"{named}. Declare its type, read_options={{'column_types': {types}}}, and such rows are named"


def _odd(column: pa.ChunkedArray, numbers: Numbers) -> str | None:
    """A cell that is no number, of a column of text that has more numbers than others; None for other columns."""
    import pyarrow.compute as pc

    if not is_text(column.type):
        return None
    cells = pc.utf8_trim_whitespace(column).drop_null()
    fits = numbers.which(cells)
    others = cells.filter(pc.invert(fits))
    return str(others[0])[:60] if 0 < 2 * len(others) < len(cells) else None
