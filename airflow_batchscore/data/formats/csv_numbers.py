"""Numbers of CSV files with a decimal comma or with groups of digits, as pandas reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from airflow_batchscore.data.exact import EXACT_FLOATS
from airflow_batchscore.data.json_types import JsonMapping

if TYPE_CHECKING:
    import pyarrow as pa

#: No number holds it.
_NO_NUMBER = "?"
WHOLE = re.compile(r"[+-]?\d+")
_COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_POINT_GROUPS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")
_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_OTHER_GROUPS = re.compile(r"[+-]?\d{1,3}([ '_])\d{3}(\1\d{3})*([.,]\d+)?")


@dataclass(frozen=True)
class Numbers:
    """How numbers are written.

    Attributes:
        decimal: what stands before the fraction.
        thousands: what may stand between digits before the fraction; empty if nothing does.
    """

    decimal: str = "."
    thousands: str = ""

    @classmethod
    def of(cls, options: JsonMapping) -> Numbers:
        """Those of ``read_options``."""
        return cls(options.get("decimal") or ".", options.get("thousands") or "")

    @property
    def is_plain(self) -> bool:
        """Whether Arrow reads them in text without help."""
        return self == Numbers()

    @cached_property
    def _whole(self) -> str:
        if not self.thousands:
            return r"[+-]?\d+"
        return r"[+-]?\d(?:" + re.escape(self.thousands) + r"?\d)*" + re.escape(self.thousands) + "?"

    @cached_property
    def _number(self) -> str:
        point = re.escape(self.decimal)
        return rf"^(?:(?:{self._whole}(?:{point}\d*)?|[+-]?{point}\d+)(?:[eE][+-]?\d+)?|[+-]?(?i:inf|infinity|nan))$"

    def plain(self, text: pa.Array) -> pa.Array:
        """Cells as Arrow reads numbers; what is no number is none after it, either."""
        import pyarrow.compute as pcompute

        if self.is_plain:
            return text
        if self.thousands:
            fits = pcompute.fill_null(pcompute.match_substring_regex(text, self._number), fill_value=False)
            text = pcompute.if_else(fits, pcompute.replace_substring(text, self.thousands, ""), text)
        if self.decimal != ".":
            text = pcompute.replace_substring(text, ".", _NO_NUMBER)
            text = pcompute.replace_substring(text, self.decimal, ".")
        return text

    def are_all(self, text: pa.Array) -> bool:
        """Whether all cells are numbers, as far as they are not missing."""
        import pyarrow.compute as pcompute

        return bool(pcompute.all(self.which(text), min_count=0).as_py())

    def which(self, text: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """Whether each cell is a number; null for those that are missing."""
        import pyarrow.compute as pcompute

        return pcompute.match_substring_regex(text, self._number)

    def advice(self, cell: str) -> str:
        """Which option reads a cell that is no number; empty if none does."""
        cell = cell.strip()
        if not self.is_plain:
            return ""
        if _POINT_GROUPS.fullmatch(cell):
            return '. Is it a number? read_options={"decimal": ",", "thousands": "."} reads it'
        if _COMMA_GROUPS.fullmatch(cell):
            decimal = ', and a decimal comma with {"decimal": ","}' if cell.count(",") == 1 and "." not in cell else ""
            return f'. Does the comma group digits? read_options={{"thousands": ","}} reads it so{decimal}'
        if _COMMA.fullmatch(cell):
            return '. Is it a decimal comma? read_options={"decimal": ","} reads it'
        if match := _OTHER_GROUPS.fullmatch(cell):
            return f'. Is it a number? read_options={{"thousands": "{match[1]}"}} reads it'
        return ""


def beyond_floats(column: pa.ChunkedArray) -> bool:
    """Whether there are numbers above 2**53, not all of which are exact as floats."""
    import pyarrow.compute as pcompute
    import pyarrow.types as pt

    if not (pt.is_float64(column.type) or pt.is_int64(column.type)):
        return False
    # Two comparisons take a third of the time of `min_max`.
    beyond = (pcompute.greater_equal(column, EXACT_FLOATS), pcompute.less_equal(column, -EXACT_FLOATS))
    return any(pcompute.any(mask).as_py() for mask in beyond)


def rounded(text: pa.Array, values: pa.Array) -> list[int]:
    """Numbers of the rows whose integer changes when stored as a float."""
    import numpy as np
    import pyarrow.types as pt

    if not pt.is_float64(values.type):
        return []
    numbers = values.to_numpy(zero_copy_only=False)
    large = np.flatnonzero(np.isfinite(numbers) & (np.abs(numbers) >= EXACT_FLOATS))
    cells = ((int(row), text[row].as_py().strip()) for row in large)
    return [row for row, cell in cells if WHOLE.fullmatch(cell) and int(cell) != int(numbers[row])]
