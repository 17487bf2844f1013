"""Cuts a partition into blocks, the slices that are read, scored, written and retried individually, and reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from airflow_batchscore.data import storage
from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.casting import taken, texts
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.exact import ROUNDED_BY_PANDAS, rounded_by_pandas
from airflow_batchscore.data.formats.base import BATCH_BYTES, Block, CutRequest, Range, Source
from airflow_batchscore.data.formats.csv_options import header_advice
from airflow_batchscore.data.formats.registry import format_named
from airflow_batchscore.data.storage.errors import reading
from airflow_batchscore.data.type_names import arrow_type
from airflow_batchscore.errors import InputError, listed

#: Share of a worker's memory for a batch as read; features, model input and outputs come on top.
_BATCH_SHARE = 12
_LEAST_BATCH_BYTES = 1 << 20


def cut(
    dataset: PartitionedDataset,
    partition: Partition,
    *,
    block_rows: int,
    columns: Sequence[str] | None = None,
    block_memory: int | None = None,
    keys: Sequence[str] = (),
) -> list[Block]:
    """Cut a partition into blocks of about `block_rows` rows, in row order.

    Args:
        columns: those that will be read; None for all.
        block_memory: bytes that scoring a block may use.
        keys: columns whose types in the files are recorded for `key_types`.

    Raises:
        InputError: a file is empty, cannot be read in its format, or is not the one `partition` is pinned to.
    """
    share = BATCH_BYTES if block_memory is None else block_memory // _BATCH_SHARE
    request = CutRequest(block_rows, columns, min(max(share, _LEAST_BATCH_BYTES), BATCH_BYTES), keys)

    def cut_file(file: storage.FileInfo) -> tuple[Source, Sequence[Range]]:
        with reading(file.uri):
            return dataset.file_format(file.uri).cut(file, dataset.settings, request)

    blocks: list[Block] = []
    try:
        files = storage.each(cut_file, partition.files, dataset.uri)
    except InputError as error:
        raise type(error)(f"partition {partition.key}: {error}") from error
    for source, ranges in files:
        # A file without rows becomes a block without rows: its part still records the columns.
        for start, stop, first, last in ranges or [(source.data_start, source.data_start, 0, 0)]:
            blocks.append(Block(len(blocks), source, start, stop, (first, last)))
    return blocks


def require_columns(source: Source, names: Sequence[str], *, partition_key: str) -> None:
    """Raise InputError naming the columns of `names` that the file lacks or has twice."""
    missing = [name for name in names if name not in source.columns]
    if missing:
        if delimiter := _other_delimiter(source.columns):
            raise InputError(
                f"partition {partition_key}: {source.uri} lacks the columns {missing}: its header is one name, "
                f"{source.columns[0]!r}. Is the delimiter {delimiter!r}? Then write PartitionedDataset(..., "
                f'read_options={{"delimiter": {json.dumps(delimiter)}}})'
            )
        has = ", ".join(source.columns[:60])
        advice = header_advice(source.columns) if source.format == "csv" else ""
        renamed = _renamed(missing, [name for name in source.columns if name not in names])
        raise InputError(
            f"partition {partition_key}: {source.uri} lacks the columns {missing}. {renamed}{advice}"
            f"Write the file with all columns, or change what is read of it. It has {has}"
        )
    twice = sorted({name for name in names if source.columns.count(name) > 1})
    if twice:
        raise InputError(f"partition {partition_key}: {source.uri} has more than one column named {twice}")


def read(
    dataset: PartitionedDataset,
    block: Block,
    columns: Mapping[str, str | None],
    keys: Mapping[str, str | None] | None = None,
) -> Iterator[Batch]:
    """Yield the rows of a block in order, in batches.

    Args:
        columns: name -> type name of the columns in `Batch.table`. If the type is None, a column keeps the type that
            its file states, and is text if files of its format state none.
        keys: the same for `Batch.keys`.

    Raises:
        InputError: the file is damaged or has changed, a column cannot be read as the requested type, or a `NO_TYPE`
            column has a value.
    """
    keys = keys or {}
    for batch in format_named(block.source.format).read(block, dataset.settings, columns, keys):
        _require_whole(batch, columns, keys, block)
        yield _without_rounded(batch, block.source.uri)


def _require_whole(
    batch: Batch, columns: Mapping[str, str | None], keys: Mapping[str, str | None], block: Block
) -> None:
    """Raise InputError if a format, which another package may have written, did not return what was asked for.

    Rows that are not in step would give one row's score to another's keys.
    """
    rows = len(batch.positions)
    for what, table, wanted in (("table", batch.table, columns), ("keys", batch.keys, keys)):
        problem = ""
        if table.num_rows != rows:
            problem = f"{table.num_rows} rows, for {rows} positions"
        elif table.column_names != list(wanted):
            problem = f"the columns {listed(table.column_names)}, not {listed(wanted)}"
        else:
            kinds = ((name, kind, table.schema.field(name).type) for name, kind in wanted.items())
            wrong = [f"{name} is {made}" for name, kind, made in kinds if kind and made != arrow_type(kind)]
            problem = f"other types than were asked for: {listed(wrong)}" if wrong else ""
        if problem:
            raise InputError(
                f"{block.name}: the format {block.source.format!r} returned a {what} with {problem}. This is a defect "
                "of the format; nothing was scored with it"
            )


def _without_rounded(batch: Batch, uri: str) -> Batch:
    """The batch; rows whose integers a frame would hold rounded are among the bad ones."""
    import numpy as np

    problems: dict[int, str] = {}
    for name, column in zip(batch.table.column_names, batch.table.columns, strict=True):
        for row in rounded_by_pandas(column):
            problems.setdefault(row, f"{uri}: column {name!r}: {column[row]} {ROUNDED_BY_PANDAS}")
    if not problems:
        return batch
    bad = [
        BadRow(int(batch.positions[row]), "ParseError", message, {**texts(batch.keys, row), **texts(batch.table, row)})
        for row, message in problems.items()
    ]
    kept = np.delete(np.arange(batch.table.num_rows), list(problems))
    return replace(
        batch,
        table=taken(batch.table, kept),
        keys=taken(batch.keys, kept),
        positions=batch.positions[kept],
        bad=sorted([*batch.bad, *bad], key=lambda row: row.position),
    )


def _other_delimiter(columns: Sequence[str]) -> str:
    """What may separate the names of a header that was read as one; empty if nothing does."""
    return next((letter for letter in ";\t|" if len(columns) == 1 and letter in columns[0]), "")


def _renamed(missing: Sequence[str], present: Sequence[str]) -> str:
    """Names that may stand for those that are missing, as a question."""
    alike = {name: get_close_matches(name, present, 1, cutoff=0.7) for name in missing}
    pairs = [f"{found[0]} for {name}" for name, found in alike.items() if found]
    return f"Does it say {listed(pairs)}? " if pairs else ""
