"""Converts CSV lines to typed Arrow columns; rows that do not parse are set apart, neither lost nor fatal.

Arrow parses the rows. The fast path converts whole columns; if a cell of the chunk does not fit its type, the chunk is
read again as bytes to find only the failing cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.exact import NO_EXACT_FLOAT
from airflow_batchscore.data.formats.csv_numbers import WHOLE, Numbers, beyond_floats, rounded
from airflow_batchscore.data.formats.csv_rows import RowParser, Rows, as_text
from airflow_batchscore.data.formats.csv_times import Times
from airflow_batchscore.data.formats.lines import Lines
from airflow_batchscore.data.formats.text_types import EXPECTED, OTHER_ENCODING
from airflow_batchscore.data.halves import cast_by_halves
from airflow_batchscore.data.json_types import JsonMapping
from airflow_batchscore.data.no_type import still_empty

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv as pc

#: Strings read as missing, as in pandas; ``read_options={"null_values": [...]}`` replaces them.
NULL_VALUES = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)

#: Boolean values as pandas reads them: any case, no numbers. Arrow also accepts 1 and 0.
_TRUTH = {
    word: ["".join(letters) for letters in product(*zip(word, word.upper(), strict=True))] for word in ("true", "false")
}
_NUMBERS = ("0", "1")


class CsvReader:
    """Reads lines of one layout: a header, the requested columns and their types.

    Args:
        header: the file's column names, in order.
        columns: name -> type name of the columns to read, text if None; other columns are not converted.
        options: ``PartitionedDataset.read_options``.
        keys: the same for the columns passed through with the scores. Text keys keep the cell byte for byte: nothing is
            read as missing or trimmed.
    """

    def __init__(
        self,
        header: tuple[str, ...],
        columns: Mapping[str, str | None],
        options: JsonMapping,
        keys: Mapping[str, str | None] | None = None,
    ) -> None:
        import pyarrow as pa

        self._times = Times.of(options)
        self.columns = {name: self._times.type_of(name, kind) for name, kind in columns.items()}
        self.keys = {name: self._times.type_of(name, kind) for name, kind in (keys or {}).items()}
        self._numbers = Numbers.of(options)
        self.nulls = list(options.get("null_values", NULL_VALUES))
        #: Bool columns with an inferred type: numbers are accepted as Booleans only if the user declared them so.
        self._truth = {n for n, kind in self.columns.items() if kind == pa.bool_()} - {*options.get("column_types", {})}
        self._parser = RowParser(header, options)
        # A column used as a key of one type and an input of another is read as is and converted twice.
        both = {**self.columns, **self.keys}
        # Arrow knows a decimal comma, and no groups of digits; its times of a format are not pandas'.
        as_text = set(filter(_is_time, both.values()))
        as_text |= {pa.float64(), pa.int64()} if self._numbers.thousands else set()
        self._read_as = {
            name: kind if self.columns.get(name, kind) == kind and kind not in as_text else pa.string()
            for name, kind in both.items()
        }
        #: Whether missing text is only detected afterwards: Arrow cannot exempt single text columns.
        self._plain_text = pa.string() in self.keys.values() or list(self._read_as.values()) != list(both.values())

    def read(self, lines: Lines) -> Batch:
        """All rows of `lines`, numbered from 0. Raises InputError for a value in a `NO_TYPE` column."""
        import pyarrow as pa

        text = self._parser.text(lines)
        try:
            rows = self._parser.parse(text, self._convert_options())
            columns, keys, failed = self._typed(rows.table)
            if not failed and not any(_is_float(column) and beyond_floats(column) for column in rows.table.columns):
                return Batch(columns, rows.positions, rows.bad, keys, rows.padded)
        except pa.ArrowInvalid:
            pass
        rows = self._parser.cells(text, list(self._read_as))
        return self._batch(rows, *self._typed(rows.table))

    def _convert_options(self) -> pc.ConvertOptions:
        import pyarrow.csv as pc

        return pc.ConvertOptions(
            include_columns=list(self._read_as),
            column_types=self._read_as,
            null_values=self.nulls,
            strings_can_be_null=not self._plain_text,
            decimal_point=self._numbers.decimal,
            **(truth_options() if self._truth else {}),
        )

    def _typed(self, table: pa.Table) -> tuple[pa.Table, pa.Table, dict[int, str]]:
        """Inputs and keys, and the problem of each row that has a cell that does not fit."""
        import pyarrow as pa

        problems: dict[int, str] = {}

        def converted(wanted: Mapping[str, pa.DataType], *, keys: bool) -> pa.Table:
            columns = {}
            for name, kind in wanted.items():
                cells = table.column(name)
                plain = keys and kind == pa.string()
                if cells.type == kind and (plain or kind != pa.string() or not self._plain_text):
                    columns[name] = cells
                    continue
                cells, seen = cells.combine_chunks(), pa.string() if kind == pa.null() else kind
                how = (None if plain else self.nulls, self._numbers)
                columns[name], failed = _cast_cells(cells, pa.string() if _is_time(seen) else seen, *how)
                if _is_time(seen):
                    columns[name], unfit = self._times.read(name, columns[name], seen)
                    failed = sorted({*failed, *unfit})
                if name in self._truth:
                    failed = sorted({*failed, *_where(cells, _NUMBERS)})
                if kind == pa.null():
                    columns[name] = still_empty(name, pa.chunked_array([columns[name]]))
                for row in failed:
                    problems.setdefault(row, f"column {name!r}: {self._misfit(name, _text(cells[row].as_py()), seen)}")
            # Without columns, a table would lose its row count.
            return pa.table(columns) if columns else table.select([])

        return converted(self.columns, keys=False), converted(self.keys, keys=True), problems

    def _misfit(self, name: str, cell: str | None, wanted: pa.DataType) -> str:
        if _is_time(wanted):
            return f"expected {self._times.expected(name)}, found {cell!r}"
        if str(wanted) == "double" and cell is not None and WHOLE.fullmatch(cell.strip()):
            return f"{cell} {NO_EXACT_FLOAT}"
        hint = f". {OTHER_ENCODING}" if str(wanted) == "string" else ""
        if str(wanted) in ("double", "int64") and cell is not None:
            hint = self._numbers.advice(cell)
        return f"expected {EXPECTED[str(wanted)]}, found {cell!r}{hint}"

    def _batch(self, rows: Rows, columns: pa.Table, keys: pa.Table, failed: Mapping[int, str]) -> Batch:
        import numpy as np
        import pyarrow as pa

        if not failed:
            return Batch(columns, rows.positions, rows.bad, keys, rows.padded)
        numbers = sorted(failed)
        raw = rows.table.take(pa.array(numbers)).to_pylist()
        bad = [
            BadRow(int(rows.positions[row]), "ParseError", failed[row], {name: _text(v) for name, v in cells.items()})
            for row, cells in zip(numbers, raw, strict=True)
        ]
        kept = np.ones(len(rows.positions), dtype=bool)
        kept[numbers] = False
        mask = pa.array(kept)
        bad = sorted([*rows.bad, *bad], key=lambda row: row.position)
        return Batch(columns.filter(mask), rows.positions[kept], bad, keys.filter(mask), rows.padded)


def _text(value: bytes | str | None) -> str | None:
    return as_text(value) if isinstance(value, bytes) else value


def _cast_cells(
    column: pa.Array, wanted: pa.DataType, nulls: list[str] | None, numbers: Numbers
) -> tuple[pa.Array, list[int]]:
    """Cast bytes to `wanted`, with null for cells that do not fit; also returns the rows of those cells."""
    import pyarrow as pa
    import pyarrow.compute as pcompute

    text, failed = cast_by_halves(column, pa.string())
    if nulls is None:
        return text, failed
    if wanted != pa.string():
        text = pcompute.utf8_trim_whitespace(text)
    missing = pcompute.is_in(text, value_set=pa.array(nulls, pa.string()))
    text = pcompute.if_else(missing, pa.scalar(None, pa.string()), text)
    if wanted == pa.string():
        return text, failed
    if wanted in (pa.float64(), pa.int64()):
        text = numbers.plain(text)
    values, unfit = cast_by_halves(text, wanted)
    return values, sorted({*failed, *unfit, *rounded(text, values)})


def _is_time(kind: pa.DataType) -> bool:
    import pyarrow.types as pt

    return bool(pt.is_timestamp(kind))


def _is_float(column: pa.ChunkedArray) -> bool:
    import pyarrow.types as pt

    return bool(pt.is_float64(column.type))


def truth_options() -> dict[str, list[str]]:
    return {"true_values": _TRUTH["true"], "false_values": _TRUTH["false"]}


def _where(cells: pa.Array, words: Sequence[str]) -> list[int]:
    """Rows that hold one of the given words."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pcompute

    text, _ = cast_by_halves(cells, pa.string())
    matches = pcompute.is_in(pcompute.utf8_trim_whitespace(text), value_set=pa.array(words))
    return [int(row) for row in np.flatnonzero(matches.to_numpy(zero_copy_only=False))]
