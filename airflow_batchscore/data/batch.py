"""What a reader yields: a bounded number of rows in order, and the rows that could not be parsed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be scored.

    Attributes:
        position: 0-based row number within its block, in file order.
        error: problem class, e.g. ``"ParseError"`` or the name of the exception.
        message: what was expected and what was found.
        raw: the row's values as text, as far as they could be read.
    """

    position: int
    error: str
    message: str
    raw: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Parsed rows of a block.

    Attributes:
        table: the columns that a recipe, a model or a function uses as input.
        keys: the columns of the same rows that are passed through with their scores; a column can be in both.
        positions: the row numbers within the block.
        padded: number of rows whose missing trailing cells are read as empty.
        others: number of rows of the file that were read with these and are in other partitions.
    """

    table: pa.Table
    positions: np.ndarray
    bad: list[BadRow]
    keys: pa.Table
    padded: int = 0
    others: int = 0

    @property
    def rows_read(self) -> int:
        return int(self.table.num_rows) + len(self.bad)

    def behind(self, rows: int) -> Batch:
        """The batch, shifted to follow `rows` earlier rows of its block."""
        if not rows:
            return self
        bad = [replace(row, position=row.position + rows) for row in self.bad]
        return replace(self, positions=self.positions + rows, bad=bad)
