"""Sizes of partitions, evened by their rows: repetitive values make a file ten times smaller, and are scored no faster.

The footers of a few partitions tell their rows. The others are taken to have as many as those of their size.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TypeVar

from airflow_batchscore.data import storage
from airflow_batchscore.data.blocks import cut
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.partition import Partition
from airflow_batchscore.errors import BatchScoreError

#: So many partitions are opened at most, and so many files of each.
_MOST_PARTITIONS = 20
_MOST_FILES = 5

T = TypeVar("T")


@dataclass(frozen=True)
class Evened:
    """Sizes of the partitions of one kind.

    Attributes:
        sizes: partition key -> bytes that it would have if each byte held as many rows as on average; those of its
            files where files do not state their rows.
        spread: how far the rows of a partition differ from those of others of its size, as a share.
    """

    sizes: Mapping[str, float]
    spread: float = 0.0


def evened(dataset: PartitionedDataset, partitions: Sequence[Partition]) -> Evened:
    """The sizes of partitions of one format, at least one. What cannot be opened is left to scoring."""
    ordered = sorted(partitions, key=lambda partition: partition.size)
    own = Evened({partition.key: float(partition.size) for partition in ordered})
    # Formats without footers would be opened for nothing.
    if len(ordered) == 1 or not dataset.file_format(ordered[0].files[0].uri).typed:
        return own
    opened = _apart(ordered, _MOST_PARTITIONS)
    counted = storage.each(lambda partition: _rows(dataset, partition), opened, dataset.uri)
    rows = {each.key: count for each, count in zip(opened, counted, strict=True) if count is not None}
    known = [(float(each.size), rows[each.key]) for each in opened if each.key in rows]
    if not sum(count for _, count in known):
        return own
    density = sum(count for _, count in known) / sum(size for size, _ in known)
    sizes = {
        each.key: max(1.0, (rows[each.key] if each.key in rows else _between(known, each.size)) / density)
        for each in ordered
    }
    inner = range(1, len(known) - 1) if len(known) < len(ordered) else ()
    missed = [abs(_between([*known[:n], *known[n + 1 :]], known[n][0]) - known[n][1]) for n in inner]
    return Evened(sizes, fmean(missed) / fmean(count for _, count in known) if missed else 0.0)


def _rows(dataset: PartitionedDataset, partition: Partition) -> float | None:
    """Of a partition, by some of its files; None if they do not tell."""
    files = _apart(partition.files, _MOST_FILES)
    try:
        blocks = cut(dataset, replace(partition, files=tuple(files)), block_rows=1 << 30, columns=[], numbered=False)
    except (BatchScoreError, OSError):  # raised when it is scored
        return None
    sources = {block.source.uri: block.source for block in blocks}.values()
    if any(source.rows is None for source in sources):
        return None
    return sum(source.rows or 0 for source in sources) * partition.size / sum(source.size for source in sources)


def _between(known: Sequence[tuple[float, float]], size: float) -> float:
    """Rows of a partition of that size, by those of the next smaller and the next larger one."""
    place = min(max(bisect_left(known, (size,)), 1), len(known) - 1)
    if len(known) == 1:
        return known[0][1] * size / known[0][0]
    (low, few), (high, many) = known[place - 1], known[place]
    share = min(max((size - low) / (high - low), 0.0), 1.0) if high > low else 0.5
    return few + share * (many - few)


def _apart(those: Sequence[T], most: int) -> list[T]:
    """At most so many, evenly spaced, with the first and the last."""
    if len(those) <= most:
        return list(those)
    return [those[round(n * (len(those) - 1) / (most - 1))] for n in range(most)]
