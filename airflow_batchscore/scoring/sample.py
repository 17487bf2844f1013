"""A sample of a run: some blocks of some partitions, or the beginnings of blocks, scored as the run would score them.

A sampled dataset shows scoring only the chosen pieces, so all of scoring is real: reading, predict, parts, the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.formats.base import Block, CutRequest, Format, Range, ReadSettings, Source, Types
from airflow_batchscore.data.formats.registry import format_named
from airflow_batchscore.data.pattern import partition_key
from airflow_batchscore.data.storage import FileInfo
from airflow_batchscore.data.tables.table_dataset import TableDataset

if TYPE_CHECKING:
    from airflow_batchscore.data.batch import Batch

#: Of a block of lines, less is not worth a slice.
_LEAST_BYTES = 1 << 14


@dataclass(frozen=True)
class Piece:
    """Blocks of one partition, or beginnings of blocks, in order.

    Attributes:
        partition: pinned.
    """

    partition: Partition
    blocks: tuple[Block, ...]

    def bytes(self, rows: Sequence[int]) -> float:
        """How much of the partition's files that is, if so many rows were read of each block."""
        return sum(_bytes(block, read) for block, read in zip(self.blocks, rows, strict=True))


def _bytes(block: Block, rows: int) -> float:
    source = block.source
    if source.rows:
        return source.size * rows / source.rows
    return float(block.stop - block.start if source.kind == "bytes" else source.size)


def sliced(block: Block, share: float, rows: int) -> Block:
    """The beginning of a block, about that share of it; all of it if its format cannot read less.

    Args:
        rows: that the block has, roughly, where neither it nor its format says.
    """
    source, span = block.source, block.stop - block.start
    if share >= 1 or source.is_stream or not span:
        return block
    if source.kind == "bytes":
        return replace(block, stop=block.start + min(span, max(round(span * share), _LEAST_BYTES)))
    if source.kind == "row_groups":
        first, last = block.rows
        if share * span >= 1:
            return replace(block, stop=block.start + round(share * span))
        rows = max(1, round(share * ((last - first) or rows)))
        source = replace(source, batch_rows=min(source.batch_rows, rows))
        return replace(block, source=source, stop=block.start + 1, rows=(first, first + rows))
    return replace(block, stop=block.start + max(1, round(span * share)))


def spread(blocks: Sequence[Block], count: int, turn: int) -> list[Block]:
    """So many blocks from all over a partition, in order; others at each turn."""
    count = min(count, len(blocks))
    step = len(blocks) / max(count, 1)
    places = sorted({int(number * step + turn) % len(blocks) for number in range(count)})
    return [blocks[place] for place in places]


@dataclass
class SampledDataset(PartitionedDataset):
    """A dataset of which only these pieces can be seen. Made by `of`."""

    pieces: Mapping[str, Piece] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: PartitionedDataset, pieces: Sequence[Piece]) -> SampledDataset:
        """The dataset, reduced to these pieces."""
        kind = SampledTable if isinstance(dataset, TableDataset) else cls
        given = {each.name: getattr(dataset, each.name) for each in fields(dataset)}
        return kind(**given, pieces={piece.partition.key: piece for piece in pieces})

    def partition(self, values: Mapping[str, str]) -> Partition:
        """The partition, with the files that hold its piece."""
        piece = self.pieces[partition_key(values)]
        used = {block.source.uri for block in piece.blocks}
        return replace(piece.partition, files=tuple(file for file in piece.partition.files if file.uri in used))

    def file_format(self, uri: str) -> Format:
        """A format that cuts a file into its part of the pieces."""
        blocks = [block for piece in self.pieces.values() for block in piece.blocks if block.source.uri == uri]
        return _Cut(super().file_format(uri), blocks)


@dataclass
class SampledTable(SampledDataset, TableDataset):
    """The same of a version of a table."""


class _Cut(Format):
    """A format whose files are cut already."""

    def __init__(self, inner: Format, blocks: Sequence[Block]) -> None:
        self.name, self.typed = inner.name, inner.typed
        self._blocks = blocks

    def cut(self, file: FileInfo, settings: ReadSettings, request: CutRequest) -> tuple[Source, Sequence[Range]]:
        # Without its number of rows: not all of them are to be read.
        source = replace(self._blocks[0].source, rows=None)
        return source, [(block.start, block.stop, *block.rows) for block in self._blocks]

    def read(self, block: Block, settings: ReadSettings, columns: Types, keys: Types) -> Iterator[Batch]:
        return format_named(self.name).read(block, settings, columns, keys)

    def types(
        self, block: Block, settings: ReadSettings, wanted: Callable[[str], bool], *, sample: bool
    ) -> Iterator[tuple[str, str]]:
        return format_named(self.name).types(block, settings, wanted, sample=sample)
