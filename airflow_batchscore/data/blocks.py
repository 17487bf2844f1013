"""Cuts a partition into blocks, the slices that are read, scored, written and retried individually, and reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import TypeAlias

from airflow_batchscore.data import storage
from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.casting import taken, texts
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.divided import divided
from airflow_batchscore.data.exact import ROUNDED_BY_PANDAS, rounded_by_pandas
from airflow_batchscore.data.formats.base import BATCH_BYTES, Block, CutRequest, Format, Range, ReadSettings, Source
from airflow_batchscore.data.formats.csv_options import header_advice
from airflow_batchscore.data.formats.registry import format_named
from airflow_batchscore.data.kept import Kept
from airflow_batchscore.data.partition_by import ROW
from airflow_batchscore.data.storage.errors import reading
from airflow_batchscore.data.type_names import arrow_type
from airflow_batchscore.data.virtual import (
    given_to,
    stored,
    type_of,
    virtual_names,
    with_given,
    with_row_numbers,
)
from airflow_batchscore.errors import InputError, listed

#: Share of a worker's memory for a batch as read; features, model input and outputs come on top.
_BATCH_SHARE = 12
_LEAST_BATCH_BYTES = 1 << 20

Cut: TypeAlias = tuple[Source, Sequence[Range]]
#: Of the files that partitions share: about 50 MiB of columns and ranges, which is some thousand files.
_cuts: Kept[Cut] = Kept(500_000, lambda cut: 1 + len(cut[0].columns) + len(cut[1]))


def cut(
    dataset: PartitionedDataset,
    partition: Partition,
    *,
    block_rows: int,
    columns: Sequence[str] | None = None,
    block_memory: int | None = None,
    keys: Sequence[str] = (),
    numbered: bool = True,
) -> list[Block]:
    """Cut a partition into blocks of about `block_rows` rows, in row order.

    Args:
        columns: those that will be read; None for all.
        block_memory: bytes that scoring a block may use.
        keys: columns whose types in the files are recorded for `key_types`.
        numbered: False if nobody will look at the numbers of the rows, which may cost a pass over them.

    Raises:
        InputError: a file is empty, cannot be read in its format, or is not the one `partition` is pinned to.
    """
    share = BATCH_BYTES if block_memory is None else block_memory // _BATCH_SHARE
    settings, own = _cutting(dataset), () if dataset.by is None else dataset.by.columns
    wanted = None if columns is None else [*columns, *own]
    request = CutRequest(block_rows, wanted, min(max(share, _LEAST_BATCH_BYTES), BATCH_BYTES), keys)

    def cut_file(file: storage.FileInfo) -> tuple[Source, Sequence[Range]]:
        with reading(file.uri):
            if dataset.by is None or file.stamp is None:
                source, ranges = dataset.file_format(file.uri).cut(file, settings, request)
            else:
                source, ranges = _cut_once(dataset.file_format(file.uri), file, settings, request)
        return _with_given(dataset, partition, source, [*(columns or ()), *keys, *own], keys), ranges

    blocks: list[Block] = []
    try:
        files = storage.each(cut_file, partition.files, dataset.uri)
    except InputError as error:
        where = f"partition {partition.key}: " if partition.values or dataset.by is None else ""
        raise type(error)(f"{where}{error}") from error
    for source, ranges in files:
        # A file without rows becomes a block without rows: its part still records the columns.
        for start, stop, first, last in ranges or [(source.data_start, source.data_start, 0, 0)]:
            blocks.append(Block(len(blocks), source, start, stop, (first, last)))
    if (numbered or ROW in own) and any(name == ROW for source, _ in files for name, _ in source.given):
        return with_row_numbers(blocks, dataset.settings)
    return blocks


def _cut_once(kind: Format, file: storage.FileInfo, settings: ReadSettings, request: CutRequest) -> Cut:
    """`Format.cut`, once for all partitions that are in the same file."""
    if format_named(kind.name) is not kind:  # one that goes by another's name, and cuts as it likes: a sample's
        return kind.cut(file, settings, request)
    name = repr((kind.name, file.uri, file.stamp, settings, request))
    return _cuts.get(name, lambda: kind.cut(file, settings, request))


def _cutting(dataset: PartitionedDataset) -> ReadSettings:
    """The settings without the types of virtual columns: a format may take a declared column for one of the file."""
    virtual = virtual_names(dataset)
    declared = {name: kind for name, kind in dataset.column_types.items() if name not in virtual}
    return replace(dataset.settings, options={**dataset.settings.options, "column_types": declared})


def _with_given(
    dataset: PartitionedDataset, partition: Partition, source: Source, asked: Sequence[str], keys: Sequence[str]
) -> Source:
    source = replace(dataset.as_read(source), only=tuple(dataset.selected(partition, source.uri).items()))
    if given := given_to(dataset, partition, source, asked):
        kinds = tuple((name, kind) for name, (_, kind) in dataset.stated(source).items())
        source = replace(source, given=given, given_types=kinds)
        types = tuple((name, type_of(source, name)) for name, _ in given if name in keys)
        source = replace(source, keys=(*source.keys, *types))
    if dataset.by is not None:
        if problem := _unfit_columns(source, dataset.by.columns):
            raise InputError(f"partition_by={dataset.partition_by!r}: {problem}")
        if ROW in dataset.by.columns and ROW in source.columns:
            raise InputError(
                f"{source.uri} has a column {ROW!r}, which is what partition_by={dataset.partition_by!r} calls the "
                "number of a row: rename the column, or divide the rows by another one"
            )
    return source


def require_columns(source: Source, names: Sequence[str], *, partition_key: str) -> None:
    """Raise InputError naming the columns of `names` that the file lacks or has twice."""
    if problem := _unfit_columns(source, names):
        raise InputError(f"partition {partition_key}: {problem}")


def _unfit_columns(source: Source, names: Sequence[str]) -> str:
    """Which of some columns the file lacks or has twice; empty if it has each once."""
    given = dict(source.given)
    missing = [name for name in names if name not in source.columns and name not in given]
    if missing:
        if delimiter := _other_delimiter(source.columns):
            return (
                f"{source.uri} lacks the columns {missing}: its header is one name, "
                f"{source.columns[0]!r}. Is the delimiter {delimiter!r}? Then write PartitionedDataset(..., "
                f'read_options={{"delimiter": {json.dumps(delimiter)}}})'
            )
        has = ", ".join(source.columns[:60])
        advice = header_advice(source.columns) if source.format == "csv" else ""
        renamed = _renamed(missing, [name for name in source.columns if name not in names])
        return (
            f"{source.uri} lacks the columns {missing}. {renamed}{advice}"
            f"Write the file with all columns, or change what is read of it. It has {has}"
        )
    twice = sorted({name for name in names if source.columns.count(name) > 1})
    return f"{source.uri} has more than one column named {twice}" if twice else ""


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
    if block.source.only:
        for (batch,) in read_shared(dataset, [block], columns, keys):
            yield batch
        return
    keys = keys or {}
    for batch in _stored_rows(dataset, block, stored(block.source, columns), stored(block.source, keys)):
        yield with_given(batch, block, columns, keys)


def read_shared(
    dataset: PartitionedDataset,
    blocks: Sequence[Block],
    columns: Mapping[str, str | None],
    keys: Mapping[str, str | None] | None = None,
) -> Iterator[list[Batch]]:
    """`read` for several partitions at once, which have the same block of the same file: it is read once.

    Args:
        blocks: that block, as each of the partitions has it.
    """
    by, keys, first = dataset.by, keys or {}, blocks[0]
    assert by is not None, "a block of one partition of several in a file"
    source = first.source
    own = {name: dataset.column_types.get(name) for name in by.columns}
    parts = divided(
        partial(_stored_rows, dataset, first),
        lambda batch: with_given(batch, first, {}, own).keys.select(list(own)),
        stored(source, own),
        by,
        [dict(block.source.only) for block in blocks],
        source,
        stored(source, columns),
        stored(source, keys),
    )
    for batches in parts:
        yield [with_given(batch, block, columns, keys) for batch, block in zip(batches, blocks, strict=True)]


def _stored_rows(
    dataset: PartitionedDataset, block: Block, columns: Mapping[str, str | None], keys: Mapping[str, str | None]
) -> Iterator[Batch]:
    """The rows of a block, of all partitions that the file has."""
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
