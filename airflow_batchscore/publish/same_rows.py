"""The rows that two models scored, side by side: parts of both are read, and rows are matched, or counted.

Both read the same bytes in the same order. So blocks that begin and end at the same row hold the same rows: where each
model scored all of them, or both left out the same, the n-th is the n-th; else the keys say which is which, where they
are unique.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.publish.parts import Part
from airflow_batchscore.scoring.manifest import BlockResult, Manifest

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows that are held to be matched, if the two were cut into different blocks.
MOST_ROWS = 2_000_000


@dataclass(frozen=True)
class Stretch:
    """Consecutive rows of a partition that are whole blocks of both models.

    Attributes:
        first: number of its first row within the partition.
        rows: that were read.
    """

    first: int
    rows: int
    champion: Sequence[Part]
    challenger: Sequence[Part]

    @property
    def size(self) -> int:
        """Bytes of the parts."""
        return sum(part.size for part in (*self.champion, *self.challenger))

    @property
    def is_aligned(self) -> bool:
        """Whether both models scored every row, or left out the same ones: the n-th of the one is that of the other."""
        blocks = [part.block for part in (*self.champion, *self.challenger)]
        return self.is_whole or (len(blocks) == 2 and blocks[0].left_out == blocks[1].left_out != "")

    @property
    def is_whole(self) -> bool:
        """Whether both models scored every row."""
        return all(_is_whole(part.block) for part in (*self.champion, *self.challenger))


def _is_whole(block: BlockResult) -> bool:
    return block.account.rows_read == block.account.rows_scored == block.rows


@dataclass(frozen=True)
class SideBySide:
    """Rows that both scored, and how many others there are.

    Attributes:
        keys: columns that both keep.
        champion, challenger: the same rows in the same order: keys, then outputs.
        first: number of the first row within the partition, if the rows are consecutive; None otherwise.
        champion_alone, challenger_alone: rows that only one of them scored.
        unmatched: rows of which it cannot be told whether they are the same.
    """

    keys: Sequence[str]
    champion: pa.Table
    challenger: pa.Table
    first: int | None
    champion_alone: int = 0
    challenger_alone: int = 0
    unmatched: int = 0


def stretches(champion: Manifest, challenger: Manifest) -> Iterator[Stretch]:
    """The partition in stretches that are as short as can be.

    Raises:
        ValueError: they are of different bytes, or different numbers of rows were read.
    """
    if champion.files != challenger.files:
        raise ValueError("the files changed between the scores of the champion and those of the challenger")
    if champion.account.rows_read != challenger.account.rows_read:
        raise ValueError(
            f"{champion.account.rows_read} rows were read for the champion, {challenger.account.rows_read} for the "
            "challenger"
        )
    ours, theirs = (_ends(Part.all_of(manifest)) for manifest in (champion, challenger))
    cuts = sorted({end for end, _ in ours} & {end for end, _ in theirs})
    first = 0
    for cut in cuts:
        pair = [[part for end, part in ends if first < end <= cut] for ends in (ours, theirs)]
        yield Stretch(first, cut - first, *pair)
        first = cut


def _ends(parts: Sequence[Part]) -> list[tuple[int, Part]]:
    """Parts with rows, and the number of the row after the last one of each."""
    ends, rows = [], 0
    for part in parts:
        rows += part.block.account.rows_read
        if part.block.account.rows_read:
            ends.append((rows, part))
    return ends


def side_by_side(stretch: Stretch, columns: Sequence[str]) -> SideBySide:
    """Read the parts of a stretch, and match their rows.

    Args:
        columns: outputs to read.

    Raises:
        GateError: a part is gone or damaged.
    """
    ours, theirs = stretch.champion, stretch.challenger
    if len(ours) + len(theirs) > 2 and stretch.rows > MOST_ROWS:
        return _unmatched(ours[0].columns(columns), theirs[0].columns(columns), max(_scored(ours), _scored(theirs)))
    keys = [key for key in ours[0].manifest.keys if key in theirs[0].manifest.keys]
    champion, challenger = (_read(parts, [*keys, *columns]) for parts in (ours, theirs))
    if stretch.is_aligned:
        return SideBySide(keys, champion, challenger, stretch.first if stretch.is_whole else None)
    if not champion.num_rows or not challenger.num_rows:
        alone = champion.num_rows, challenger.num_rows
        return SideBySide(keys, champion.slice(0, 0), challenger.slice(0, 0), None, *alone)
    return _by_key(champion, challenger, keys)


def _unmatched(champion: pa.Table, challenger: pa.Table, rows: int) -> SideBySide:
    return SideBySide((), champion.slice(0, 0), challenger.slice(0, 0), None, unmatched=rows)


def _scored(parts: Sequence[Part]) -> int:
    return sum(part.block.rows for part in parts)


def _read(parts: Sequence[Part], names: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    tables = [part.columns(names) for part in parts]
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables)


def _by_key(champion: pa.Table, challenger: pa.Table, keys: Sequence[str]) -> SideBySide:
    import numpy as np
    import pyarrow as pa

    both = [champion.select(keys), challenger.select(keys)]
    if not keys or both[0].schema != both[1].schema:
        return _unmatched(champion, challenger, max(champion.num_rows, challenger.num_rows))
    numbered = [
        table.append_column("champion rows", pa.array(np.full(table.num_rows, place == 0, np.int64)))
        .append_column("challenger rows", pa.array(np.full(table.num_rows, place == 1, np.int64)))
        .append_column("champion place", pa.array(np.arange(table.num_rows) if place == 0 else _no(table)))
        .append_column("challenger place", pa.array(np.arange(table.num_rows) if place == 1 else _no(table)))
        for place, table in enumerate(both)
    ]
    sums = [("champion rows", "sum"), ("challenger rows", "sum")]
    places = [("champion place", "max"), ("challenger place", "max")]
    found = pa.concat_tables(numbered).group_by(list(keys)).aggregate([*sums, *places])
    ours, theirs, place, other = (found.column(f"{name}_{what}").to_numpy() for name, what in [*sums, *places])
    one = (ours == 1) & (theirs == 1)
    order = np.argsort(place[one], kind="stable")
    unclear = (ours > 0) & (theirs > 0) & ~one
    return SideBySide(
        keys,
        champion.take(pa.array(place[one][order])),
        challenger.take(pa.array(other[one][order])),
        None,
        champion_alone=int(ours[theirs == 0].sum()),
        challenger_alone=int(theirs[ours == 0].sum()),
        unmatched=int(np.maximum(ours, theirs)[unclear].sum()),
    )


def _no(table: pa.Table) -> object:
    import numpy as np

    return np.full(table.num_rows, -1, np.int64)
