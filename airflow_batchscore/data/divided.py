"""Divides the rows of a block among the partitions of its file (`PartitionedDataset(partition_by=...)`).

A row that can be read is where the values of its own columns say. The values of a row that cannot be read are looked up
in a second reading of these columns alone, so that a row is in the same partition whatever else is read of it. If they
cannot be read either, the row is in the partition of rows without a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.casting import taken
from airflow_batchscore.data.formats.base import Source, Types
from airflow_batchscore.data.partition_by import PartitionBy

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

#: The rows of a block, with these columns and keys, and with the keys as they are where rows are divided.
Read = Callable[[Types, Types], Iterator[Batch]]
#: The columns of a `PartitionBy` in some rows, given the keys that were read and the positions.
Own = Callable[[Batch], "pa.Table"]


def divided(
    read: Read,
    own: Own,
    own_types: Types,
    by: PartitionBy,
    wanted: Sequence[Mapping[str, str]],
    source: Source,
    columns: Types,
    keys: Types,
) -> Iterator[list[Batch]]:
    """For each batch of a block, one batch for each of the partitions `wanted`.

    Args:
        own_types: the columns of `by` that the file has, with the types to read them with.
    """
    import numpy as np
    import pyarrow as pa

    def numbers(batch: Batch) -> np.ndarray:
        return by.numbers(own(batch), wanted)

    nowhere = next((n for n, values in enumerate(wanted) if dict(values) == by.without_value), -1)
    stated = dict(source.keys)
    # Often read as a key already; a key of another type may have another text.
    alike = all(keys.get(name, kind) in (kind, stated.get(name)) for name, kind in own_types.items())
    second = _SecondLook(lambda: read({}, own_types), numbers, nowhere)

    def looked_up_between(start: int, stop: int) -> np.ndarray:
        if own_types:
            return second.between(start, stop)
        # Rows that are divided by their number alone: nothing of them needs to be read.
        none = pa.table({"": pa.nulls(stop - start)}).select([])
        return numbers(Batch(none, np.arange(start, stop), [], none))

    asked = {**own_types, **keys} if alike else keys
    start = 0
    for batch in read(columns, asked):
        stop = start + batch.rows_read
        looked_up = looked_up_between(start, stop) if batch.bad or not alike else None
        good = numbers(batch) if alike else _of(looked_up, batch.positions - start)
        bad = [] if looked_up is None else [int(looked_up[row.position - start]) for row in batch.bad]
        table = batch.keys.select(list(keys))
        yield [_part(replace(batch, keys=table), good == n, [at == n for at in bad]) for n in range(len(wanted))]
        start = stop


def _of(numbers: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    assert numbers is not None, "looked up where the rows do not tell"
    found: np.ndarray = numbers[rows]
    return found


def _part(batch: Batch, good: np.ndarray, bad: Sequence[bool]) -> Batch:
    import numpy as np

    rows = np.flatnonzero(good)
    kept = [row for row, is_ours in zip(batch.bad, bad, strict=True) if is_ours]
    part = replace(
        batch,
        table=taken(batch.table, rows),
        keys=taken(batch.keys, rows),
        positions=batch.positions[rows],
        bad=kept,
    )
    return replace(part, others=batch.rows_read - part.rows_read)


class _SecondLook:
    """The partitions of a block's rows by their position, read from front to back, when first asked for.

    Args:
        nowhere: number of the partition of rows that cannot be read.
    """

    def __init__(
        self, read: Callable[[], Iterator[Batch]], numbers: Callable[[Batch], np.ndarray], nowhere: int
    ) -> None:
        self._read, self._numbers_of, self._nowhere = read, numbers, nowhere
        self._batches: Iterator[Batch] | None = None
        self._start = 0
        self._numbers: np.ndarray | None = None

    def between(self, start: int, stop: int) -> np.ndarray:
        """The numbers of the rows from `start` to `stop`, excluded; later calls begin no earlier."""
        import numpy as np

        if self._batches is None or self._numbers is None:
            self._batches, self._numbers = self._read(), np.zeros(0, np.int64)
        while self._start + len(self._numbers) < stop:
            batch = next(self._batches)
            end = self._start + len(self._numbers)
            more = np.full(batch.rows_read, self._nowhere)
            more[batch.positions - end] = self._numbers_of(batch)
            self._numbers = np.concatenate([self._numbers, more])
            dropped = min(max(start - self._start, 0), len(self._numbers))
            self._start, self._numbers = self._start + dropped, self._numbers[dropped:]
        return self._numbers[start - self._start : stop - self._start]
