"""Rows whose partition cannot be told, although people meant it to be: a plan says so before they go unscored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.formats.base import Source
from airflow_batchscore.data.partition_by import NO_VALUE, ROW, Term
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

#: Share of the rows from which on somebody should look.
_SHARE = 0.1
_ROWS = 10_000


def unlabelled(dataset: PartitionedDataset, partitions: Sequence[Partition]) -> list[str]:
    """For each term of `partition_by` that finds no value in many of the first rows, a sentence that says so.

    Reads the first batch of the first file; what cannot be read is for the tasks to tell.

    Args:
        dataset: reachable, and at one version of its table.
        partitions: those that are planned.
    """
    by = dataset.by
    if by is None or by.columns == (ROW,) or not partitions or not partitions[0].files:
        return []
    try:
        # Without values it is the whole of the file.
        blocks = cut(dataset, Partition({}, partitions[0].files[:1]), block_rows=_ROWS, columns=[], numbered=False)
        types = {name: dataset.column_types.get(name) for name in by.columns}
        batch = next(iter(read(dataset, blocks[0], {}, types)), None)
        labels = [] if batch is None else by.labels(batch.keys)
    except (InputError, OSError):
        return []
    if batch is None or not batch.rows_read:
        return []
    found = [_sentence(dataset, blocks[0].source, *each, batch) for each in zip(by.terms, labels, strict=True)]
    return [text for text in found if text]


def _sentence(dataset: PartitionedDataset, source: Source, term: Term, labels: pa.Array, batch: Batch) -> str:
    """Empty if the term finds values."""
    import pyarrow.compute as pc

    nowhere = pc.equal(labels, NO_VALUE)
    count = int(pc.sum(nowhere).as_py() or 0) + len(batch.bad)
    if term.column == ROW or count < _SHARE * batch.rows_read:
        return ""
    cells = batch.keys.column(term.column).filter(nowhere).drop_null().unique().to_pylist()
    seen = [*cells, *(row.raw.get(term.column) for row in batch.bad)]
    example = next((cell for cell in seen if cell is not None and str(cell).strip()), None)
    if example is None:
        why = f"{term.column!r} is empty there"
    else:
        why = f"{term.column!r} cannot be read there, such as {str(example)[:60]!r}: {_advice(dataset, source, term)}"
    return (
        f"{count:,} of the first {batch.rows_read:,} rows of {source.uri} have no value of {term.field}: {why}. Such "
        f"rows are in the partition {term.field}={NO_VALUE}, which is scored only where partitions= names it, or is "
        "left out"
    )


def _advice(dataset: PartitionedDataset, source: Source, term: Term) -> str:
    column, kind = json.dumps(term.column), dataset.column_types.get(term.column)
    none = "; or the rows really have none"
    if term.buckets and kind in (None, "string"):
        declared = f'{{"column_types": {{{column}: "int64"}}}}'
        also = ' (and "thousands", if its digits are grouped)' if source.format == "csv" else ""
        return (
            f"declare its type{also}, read_options={declared}, or divide by hash({term.column}) % {term.buckets}{none}"
        )
    if not term.buckets and source.format == "csv" and kind in (None, "string"):
        declared = f'{{"column_types": {{{column}: "timestamp[us]"}}, "date_format": "%d.%m.%Y"}}'
        return f"say how its times are written, read_options={declared}{none}"
    needed = "a whole number" if term.buckets else "a date like 2026-04-01, 20260401 or 2026-04-01T05:00:00"
    return f"it should be {needed}{f', of the declared type {kind}' if kind else ''}{none}"
