"""Column types of a data set as training finds them, which scoring then holds every partition to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from airflow_batchscore.data.blocks import Block, Source, csv_lines, cut, require_columns
from airflow_batchscore.data.common_type import common_type, plain
from airflow_batchscore.data.csv_reader import found_schema
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.no_type import NO_TYPE
from airflow_batchscore.data.parquet_reader import ParquetReader
from airflow_batchscore.data.type_names import is_text, name_of, named
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE_BYTES = 1 << 18
_WHOLE = ("int64", "uint64")
#: What pandas calls an index that has no name, as one of rows that were filtered.
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def infer_types(
    dataset: PartitionedDataset,
    partitions: Sequence[Partition],
    columns: Sequence[str] | None,
    required: Sequence[str] = (),
) -> dict[str, str | None]:
    """Type names of `columns` (all when None) over all files of `partitions`, each of which must have `required`.

    Columns of CSV files that mix numbers and text are text. A column without any value has the type `NO_TYPE`. Parquet
    columns that are no numbers, text or truth values go by Arrow's own type (see `type_names`). An index that pandas
    wrote without a name (``__index_level_0__``) is no column unless `columns` or `required` name it.

    Raises:
        InputError: a column is missing, there twice, or has types in several Parquet files that do not go together.
    """
    found: dict[str, dict[str, Source]] = {}
    for partition in partitions:
        blocks = cut(dataset, partition, block_rows=1 << 30)
        for source in dict.fromkeys(block.source for block in blocks):
            require_columns(source, required, partition_key=partition.key)
        for block in blocks:
            for name, kind in _types(dataset, block, columns, required, partition.key):
                found.setdefault(name, {}).setdefault(kind, block.source)
    declared = dataset.column_types
    return {name: declared.get(name) or _agreed(name, types) for name, types in found.items()}


def sample_types(
    dataset: PartitionedDataset, partition: Partition, columns: Sequence[str] | None, required: Sequence[str]
) -> dict[str, str | None]:
    """`infer_types` of one partition as its first files say, for what is never trained on.

    Of CSV only the first rows of the first file with any are looked at, of Parquet as many schemas as say more.

    Raises InputError that names a column which is not there.
    """
    files: dict[Source, Block] = {}
    for block in cut(dataset, partition, block_rows=1 << 30):
        files.setdefault(block.source, block)
    found: dict[str, str] = {}
    for first in files.values():
        require_columns(first.source, [*(columns or ()), *required], partition_key=partition.key)
        # One chunk, and so one type per column.
        source = replace(first.source, batch_bytes=_SAMPLE_BYTES)
        sample = replace(first, source=source, stop=min(first.stop, first.start + _SAMPLE_BYTES))
        here = dict(_types(dataset, sample, columns, required, partition.key, chunks=1))
        found = {n: here.get(n, kind) if kind == NO_TYPE else kind for n, kind in (found or here).items()}
        is_read = source.kind != "row_groups" and set(here.values()) != {NO_TYPE}
        if is_read or NO_TYPE not in found.values():
            break
    return {name: dataset.column_types.get(name, kind) for name, kind in found.items()}


def _types(
    dataset: PartitionedDataset,
    block: Block,
    columns: Sequence[str] | None,
    required: Sequence[str],
    partition_key: str,
    *,
    chunks: int | None = None,
) -> Iterator[tuple[str, str]]:
    """Columns with the types that a block has; those of CSV once for each of its first `chunks` chunks.

    Rows of CSV that cannot be parsed say nothing here; they are met when the file is read.
    """
    source = block.source
    if source.kind != "row_groups":
        wanted = [name for name in source.columns if columns is None or name in columns]
        yield from ((name, NO_TYPE) for name in wanted)
        for lines in islice(csv_lines(dataset, block), chunks):
            schema = found_schema(lines, source.columns, wanted, dataset.read_options)
            yield from ((field.name, _csv_type(field.type)) for field in schema)
        return
    wanted = [
        name
        for name in source.columns
        if name in required or (name in columns if columns is not None else not _UNNAMED_INDEX.fullmatch(name))
    ]
    require_columns(source, wanted, partition_key=partition_key)
    schema = ParquetReader(source.uri, source.stamp, dataset.conn_id, wanted).schema
    yield from ((field.name, _parquet_type(field.type)) for field in schema)


def _csv_type(arrow: pa.DataType) -> str:
    import pyarrow.types as pt

    if pt.is_integer(arrow):
        return "int64"
    if pt.is_floating(arrow):
        return "float64"
    if pt.is_boolean(arrow):
        return "bool"
    return NO_TYPE if pt.is_null(arrow) else "string"


def _parquet_type(arrow: pa.DataType) -> str:
    import pyarrow.types as pt

    arrow = plain(arrow)
    if pt.is_uint64(arrow):
        return "uint64"
    if pt.is_integer(arrow) or pt.is_floating(arrow) or pt.is_boolean(arrow) or pt.is_null(arrow):
        return _csv_type(arrow)
    return "string" if is_text(arrow) else name_of(arrow)


def _agreed(name: str, types: Mapping[str, Source]) -> str:
    """The type of a column whose files have those of `types`, each with a file that has it."""
    kinds = [kind for kind in types if kind != NO_TYPE]
    if len(kinds) < 2:
        return kinds[0] if kinds else NO_TYPE
    if "float64" in kinds and set(kinds) <= {"float64", *_WHOLE}:
        return "float64"
    if any(types[kind].kind != "row_groups" for kind in kinds):
        return "string"
    common = common_type([named(kind) for kind in kinds])
    if common is None:
        where = " and ".join(f"{kind} in {types[kind].uri}" for kind in kinds[:3])
        raise InputError(
            f"the column {name!r} is {where}. Write the files with one type, name one in PartitionedDataset("
            f"read_options={{'column_types': {{{name!r}: 'string'}}}}), or leave it out: Recipe(columns=[...])"
        )
    return name_of(common)


def reading_types(
    declared: Mapping[str, str], raw: Mapping[str, str | None], columns: Iterable[str], whole: Sequence[str] = ()
) -> dict[str, str | None]:
    """Types to read `columns` with, given those that training found.

    Whole numbers are read as float64, so that a missing value does not change a column's type from block to block;
    columns in `whole`, and those whose type is declared, keep theirs.
    """

    def of(name: str) -> str | None:
        found = declared.get(name) or raw.get(name)
        return "float64" if found in _WHOLE and name not in whole and name not in declared else found

    return {name: of(name) for name in columns}
