"""The partitions that `partition_by` makes of the rows of some files, and how many rows each has."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.partition_by import PartitionBy
from airflow_batchscore.data.pattern import Values, require_value
from airflow_batchscore.data.storage import FileInfo
from airflow_batchscore.data.virtual import rows_of, stored, with_given
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_ROWS = 250_000
_MOST_THREADS = 8


#: Rows by the values of their partition, in the order of the fields.
Counts = Counter[tuple[str, ...]]


def rows_by_partition(
    dataset: PartitionedDataset, files: Sequence[FileInfo], check: Callable[[str, Counts], None] = lambda *_: None
) -> list[tuple[Values, int]]:
    """Every partition with its number of rows; for buckets of one column, which need no reading, 1 for each.

    Args:
        check: is given the URI of a file and the rows of a block of it; for threads.

    Raises:
        InputError: there are more than the dataset's `max_partitions`, a value cannot name a partition, or a file
            cannot be read.
    """
    by = dataset.by
    assert by is not None, "asked where rows are divided"
    if by.known is not None:
        require_few(dataset, by, len(by.known))
        # Rows without a value are few, or should be.
        return [(values, int(values != by.without_value)) for values in by.known]
    counts = _counted(dataset, by, files, check)
    made = [(dict(zip(by.fields, texts, strict=True)), rows) for texts, rows in counts.items()]
    require_names(by, [values for values, _ in made])
    return made


def require_names(by: PartitionBy, partitions: Sequence[Values]) -> None:
    """Raise InputError if a value cannot name a partition."""
    for values in partitions:
        for field, text in values.items():
            _require_name(by, field, text)


def _require_name(by: PartitionBy, field: str, text: str) -> None:
    try:
        require_value(field, text)
    except InputError as error:
        column = by.terms[by.fields.index(field)].column
        raise InputError(
            f'{error}, so that it cannot name a partition. Divide the rows by partition_by="hash({column}) % 10"'
        ) from error


def _counted(
    dataset: PartitionedDataset, by: PartitionBy, files: Sequence[FileInfo], check: Callable[[str, Counts], None]
) -> Counts:
    # Without values it is the whole of the files.
    blocks = cut(dataset, Partition({}, tuple(files)), block_rows=_BLOCK_ROWS, columns=[])
    types = {name: dataset.column_types.get(name) for name in by.columns}
    counts = Counts()

    def count(block: Block) -> Counts:
        here = Counts()
        nothing_stored = not stored(block.source, types)
        for batch in [_given_alone(dataset, block, types)] if nothing_stored else read(dataset, block, {}, types):
            here.update(_labelled(by.labels(batch.keys)))
            here[tuple(by.without_value.values())] += len(batch.bad)
            require_few(dataset, by, len(here))
        check(block.source.uri, +here)
        return here

    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1), thread_name_prefix="batchscore-rows") as pool:
        for here in pool.map(count, blocks):
            counts.update(here)
            require_few(dataset, by, len(counts))
    return +counts


def _given_alone(dataset: PartitionedDataset, block: Block, types: Mapping[str, str | None]) -> Batch:
    """The rows of a block whose file has none of the columns: readers of no column return no rows."""
    import numpy as np
    import pyarrow as pa

    rows = rows_of(block, dataset.settings)
    none = pa.table({"": pa.nulls(rows)}).select([])
    return with_given(Batch(none, np.arange(rows), [], none), block, {}, types)


def _labelled(labels: Sequence[pa.Array]) -> dict[tuple[str, ...], int]:
    import pyarrow as pa

    names = [str(number) for number in range(len(labels))]
    found = pa.table(dict(zip(names, labels, strict=True))).group_by(names).aggregate([([], "count_all")])
    texts = zip(*(found.column(name).to_pylist() for name in names), strict=True)
    return dict(zip(texts, found.column("count_all").to_pylist(), strict=True))


def require_few(dataset: PartitionedDataset, by: PartitionBy, count: int) -> None:
    """Raise InputError if there are more partitions than the dataset allows."""
    if count > dataset.max_partitions:
        raise InputError(
            f"partition_by={dataset.partition_by!r} makes more than {dataset.max_partitions:,} partitions of "
            f'{dataset.uri}. Divide the rows into buckets, partition_by="hash({by.columns[0]}) % 100", or let the '
            "DAG's author write PartitionedDataset(max_partitions=...)"
        )
