"""Columns that no file has, and that keys and features may name: a row's number, its file, its partition's fields.

They are added to what a format has read, so that no format needs to know them. A column of the file with the same name
is the one that counts. They are read where they are named only: a recipe or function that gets "all columns" gets those
of the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.formats.base import Block, ReadSettings, Source, Types
from airflow_batchscore.data.formats.registry import format_named
from airflow_batchscore.data.kept import Kept
from airflow_batchscore.data.partition_by import FILE, NO_VALUE, ROW
from airflow_batchscore.data.type_names import arrow_type
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_COUNTING = 8
#: Of blocks.
_counts: Kept[int] = Kept(100_000)


def virtual_names(dataset: PartitionedDataset) -> set[str]:
    """The columns that a dataset has although its files need not have them."""
    # A field that is the value of a column of the files is no substitute for that column.
    columns = set() if dataset.by is None else {*dataset.by.columns} - {ROW}
    return {ROW, FILE, *dataset.fields} - columns


def given_to(
    dataset: PartitionedDataset, partition: Partition, source: Source, asked: Collection[str]
) -> tuple[tuple[str, str | None], ...]:
    """`Source.given` of one file: what a dataset has and it lacks; of virtual columns only those of `asked`."""
    stated = dataset.stated(source)
    # A file of 0 bytes states no columns, whatever its format lists.
    names = virtual_names(dataset).difference(source.columns if source.size else ()).intersection(asked)
    values = {name: _value(dataset, partition, source, name) for name in sorted(names - stated.keys())}
    return (*values.items(), *((name, value) for name, (value, _) in stated.items()))


def _value(dataset: PartitionedDataset, partition: Partition, source: Source, name: str) -> str | None:
    """One for all rows of a file; None for the number of a row."""
    if name in (ROW, FILE):
        return source.uri if name == FILE else None
    value = dataset.pattern.columns({name: partition.values[name]})[name]
    return None if value == NO_VALUE else value


def type_of(source: Source, name: str) -> str:
    """The type name of a column that a file is given, unless the user declares one."""
    return dict(source.given_types).get(name) or ("int64" if name == ROW else "string")


def with_row_numbers(blocks: Sequence[Block], settings: ReadSettings) -> list[Block]:
    """The blocks of a partition with the number of rows before each.

    Where files do not state how many rows each block has, every block but the last is read once more for it.
    """
    with ThreadPoolExecutor(min(_MOST_COUNTING, os.cpu_count() or 1), thread_name_prefix="batchscore-rows") as pool:
        counts = list(pool.map(lambda block: _counted(block, settings), blocks[:-1]))
    before, numbered = 0, list[Block]()
    for block, rows in zip(blocks, [*counts, 0], strict=True):
        numbered.append(replace(block, before=before))
        before += rows
    return numbered


def _counted(block: Block, settings: ReadSettings) -> int:
    """`rows_of`, once for all partitions that are in the same file."""
    source = block.source
    options = json.dumps(settings.options, sort_keys=True, default=str)
    name = (source.format, source.uri, source.stamp, options, block.start, block.stop, *block.rows)
    return _counts.get(name, lambda: rows_of(block, settings))


def rows_of(block: Block, settings: ReadSettings) -> int:
    """How many rows a block has; they are read if its file does not state it."""
    stated = format_named(block.source.format).rows(block, settings)
    if stated is not None:
        return stated
    # Any column will do: a row that cannot be read is counted, too.
    columns = block.source.columns
    one = next((name for name in columns if columns.count(name) == 1), None)
    keys = {} if one is None else {one: None}
    return sum(batch.rows_read for batch in format_named(block.source.format).read(block, settings, {}, keys))


def stored(source: Source, wanted: Types) -> dict[str, str | None]:
    """Those of some columns that the file has, with their types."""
    given = dict(source.given)
    return {name: kind for name, kind in wanted.items() if name not in given}


def with_given(batch: Batch, block: Block, columns: Types, keys: Types) -> Batch:
    """A batch of the columns that a file has, with the virtual ones. Raises InputError like `blocks.read`."""
    if not dict(block.source.given).keys() & {*columns, *keys}:
        return batch
    table, kept = _with(batch.table, batch, block, columns), _with(batch.keys, batch, block, keys)
    return replace(batch, table=table, keys=kept, bad=_bad(batch, block))


def _with(table: pa.Table, batch: Batch, block: Block, wanted: Types) -> pa.Table:
    given = dict(block.source.given)
    if not given.keys() & wanted.keys():
        return table
    import pyarrow as pa

    made = {
        name: _column(name, given[name], batch, block, kind) if name in given else table.column(name)
        for name, kind in wanted.items()
    }
    return pa.table(made)


def _column(name: str, value: str | None, batch: Batch, block: Block, kind: str | None) -> pa.Array:
    import pyarrow as pa

    wanted = arrow_type(kind or type_of(block.source, name))
    if name == ROW:
        return pa.array(batch.positions + block.before, pa.int64()).cast(wanted)
    if value is None:
        return pa.nulls(len(batch.positions), wanted)
    try:
        one = pa.array([value], pa.string()).cast(wanted)
    except pa.ArrowException as error:
        raise InputError(
            f"{block.source.uri}: the partition's field {name!r} is {value!r}, which cannot be read as {kind}: declare "
            f"another type, PartitionedDataset(read_options={{'column_types': {{{name!r}: 'string'}}}}), or leave it "
            f"out ({error})"
        ) from error
    return pa.repeat(one[0], len(batch.positions))


def _bad(batch: Batch, block: Block) -> list[BadRow]:
    def raw(position: int) -> Mapping[str, str | None]:
        return {name: str(position + block.before) if name == ROW else value for name, value in block.source.given}

    return [replace(row, raw={**row.raw, **raw(row.position)}) for row in batch.bad]
