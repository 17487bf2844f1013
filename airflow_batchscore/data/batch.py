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
        position: the row's number within its block, from 0, in the order of the file.
        error: class of the problem, e.g. ``"ParseError"`` or the name of the exception.
        message: what was expected and what was there.
        raw: the row's values as text, as far as they were read.
    """

    position: int
    error: str
    message: str
    raw: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Rows of a block.

    Attributes:
        table: the columns that go into a recipe, a model or a function, of the rows that were parsed.
        keys: of the same rows the columns that go with their scores; a column can be in both.
        positions: the rows' numbers in the block.
        padded: rows whose last cells were left off and are taken as empty.
    """

    table: pa.Table
    positions: np.ndarray
    bad: list[BadRow]
    keys: pa.Table
    padded: int = 0

    @property
    def rows_read(self) -> int:
        return int(self.table.num_rows) + len(self.bad)

    def behind(self, rows: int) -> Batch:
        """The batch as it is after `rows` others of its block."""
        if not rows:
            return self
        bad = [replace(row, position=row.position + rows) for row in self.bad]
        return replace(self, positions=self.positions + rows, bad=bad)
