"""CSV lines to typed Arrow columns, with the rows that do not parse set apart rather than lost or fatal.

Rows are parsed by Arrow. The quick way converts whole columns; when a cell of the chunk does not fit its
type, the chunk is read again as bytes and only the cells that fail are searched for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.column_types import TYPE_NAMES
from airflow_batchscore.data.csv_rows import RowParser, Rows, as_latin1, as_text
from airflow_batchscore.data.exact import EXACT_FLOATS
from airflow_batchscore.data.halves import cast_by_halves
from airflow_batchscore.data.lines import Lines
from airflow_batchscore.data.no_type import NO_TYPE, still_empty
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv as pc

#: Texts read as missing, as pandas has them; ``read_options={"null_values": [...]}`` replaces them.
NULL_VALUES = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)

#: What to say of whole numbers that are not exact as floats.
NO_EXACT_FLOAT = (
    "is not exact as a float. Read it as int64 (read_options={'column_types': ...}), or name the columns that the "
    "recipe needs in Recipe(columns=[...])"
)
#: Truth values, as pandas reads them: in any case, and no numbers. Arrow takes 1 and 0 for some, too.
_TRUTH = {
    word: ["".join(some) for some in product(*zip(word, word.upper(), strict=True))] for word in ("true", "false")
}
_NUMBERS = ("0", "1")
_HEX = re.compile(rb"0[xX]")
_WHOLE = re.compile(r"[+-]?\d+")

_EXPECTED = {"double": "a number", "int64": "a whole number", "bool": "true or false", "string": "UTF-8 text"}


def arrow_type(name: str) -> pa.DataType:
    import pyarrow as pa

    if name == NO_TYPE:
        return pa.null()
    if name not in TYPE_NAMES:
        raise InputError(f"column type {name!r} is unknown; use one of {', '.join(TYPE_NAMES)}")
    return {"float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_(), "string": pa.string()}[name]


class CsvReader:
    """Reads lines of one layout: a header, the columns wanted and their types.

    Args:
        header: the file's column names, in order.
        columns: name -> type name of the columns to read, text when None; other columns are not converted.
        options: ``PartitionedDataset.read_options``.
        keys: likewise, of the columns that go with the scores. Text among them is what stands in the cell, byte for
            byte: nothing is missing or trimmed.
    """

    def __init__(
        self,
        header: tuple[str, ...],
        columns: Mapping[str, str | None],
        options: Mapping[str, Any],
        keys: Mapping[str, str | None] | None = None,
    ) -> None:
        import pyarrow as pa

        self.columns = {name: arrow_type(kind or "string") for name, kind in columns.items()}
        self.keys = {name: arrow_type(kind or "string") for name, kind in (keys or {}).items()}
        self.nulls = list(options.get("null_values", NULL_VALUES))
        #: Where a user says that numbers are truth values, they are.
        self._truth = {n for n, kind in self.columns.items() if kind == pa.bool_()} - {*options.get("column_types", {})}
        self._parser = RowParser(header, options)
        # A column that is a key of one type and an input of another is read as it stands and converted twice.
        both = {**self.columns, **self.keys}
        self._read_as = {n: kind if self.columns.get(n, kind) == kind else pa.string() for n, kind in both.items()}
        #: Whether a missing text is only found afterwards: Arrow knows of no column whose texts are never missing.
        self._plain_text = pa.string() in self.keys.values() or list(self._read_as.values()) != list(both.values())

    def read(self, lines: Lines) -> Batch:
        """All rows of `lines`, numbered from 0. Raises InputError for a value in a column of `NO_TYPE`."""
        import pyarrow as pa

        text = self._parser.text(lines)
        try:
            rows = self._parser.parse(text, self._convert_options())
            columns, keys, failed = self._typed(rows.table)
            if not failed and not any(
                _is_float(column) and _beyond_floats(column) for column in [*columns.columns, *keys.columns]
            ):
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
            **(_truth_options() if self._truth else {}),
        )

    def _typed(self, table: pa.Table) -> tuple[pa.Table, pa.Table, dict[int, str]]:
        """Inputs and keys, and of each row with a cell that does not fit what is wrong with it."""
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
                columns[name], failed = _cast_cells(cells, seen, None if plain else self.nulls)
                if name in self._truth:
                    failed = sorted({*failed, *_where(cells, _NUMBERS)})
                if kind == pa.null():
                    columns[name] = still_empty(name, pa.chunked_array([columns[name]]))
                for row in failed:
                    problems.setdefault(row, f"column {name!r}: {_misfit(_text(cells[row].as_py()), seen)}")
            # Without columns a table would not know how many rows it has.
            return pa.table(columns) if columns else table.select([])

        return converted(self.columns, keys=False), converted(self.keys, keys=True), problems

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


def found_schema(lines: Lines, header: Sequence[str], names: Sequence[str], options: Mapping[str, Any]) -> pa.Schema:
    """The types that the columns `names` of some lines look like: whole numbers, numbers, truth values, times, text.

    Whole numbers that no float holds, such as long ids, are text: nothing of them is rounded. So are hexadecimal ones,
    which are no numbers to pandas.
    """
    import pyarrow as pa
    import pyarrow.csv as pc

    convert = pc.ConvertOptions(
        include_columns=names,
        null_values=options.get("null_values", NULL_VALUES),
        strings_can_be_null=True,
        timestamp_parsers=[],
        **_truth_options(),
    )
    parser = RowParser(header, options)
    text = parser.text(lines)
    try:
        table = parser.parse(text, convert).table
    except pa.ArrowInvalid:
        text = as_latin1(parser.settled(text))
        table = parser.parse(text, convert).table
    may_be_hex = _HEX.search(text.raw) is not None
    looked_at = [
        name
        for name in names
        if _beyond_floats(table.column(name)) or (may_be_hex and table.column(name).type == pa.int64())
    ]
    schema = table.schema
    if looked_at:
        convert = pc.ConvertOptions(
            include_columns=looked_at, column_types=dict.fromkeys(looked_at, pa.string()), null_values=[]
        )
        cells = parser.parse(text, convert).table
        for name in looked_at:
            if _is_text(cells.column(name).combine_chunks(), table.column(name).cast(pa.float64(), safe=False)):
                schema = schema.set(schema.get_field_index(name), pa.field(name, pa.string()))
    return schema


def _text(value: bytes | str | None) -> str | None:
    return as_text(value) if isinstance(value, bytes) else value


def _cast_cells(column: pa.Array, wanted: pa.DataType, nulls: list[str] | None) -> tuple[pa.Array, list[int]]:
    """Bytes to `wanted`, with null where a cell does not fit, and the rows of those cells."""
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
    values, unfit = cast_by_halves(text, wanted)
    return values, sorted({*failed, *unfit, *_rounded(text, values)})


def _is_float(column: pa.ChunkedArray) -> bool:
    import pyarrow.types as pt

    return bool(pt.is_float64(column.type))


def _beyond_floats(column: pa.ChunkedArray) -> bool:
    """Whether there are numbers above 2**53, of which not all are exact as floats."""
    import pyarrow.compute as pcompute
    import pyarrow.types as pt

    if not (pt.is_float64(column.type) or pt.is_int64(column.type)):
        return False
    return any(end is not None and abs(end) >= EXACT_FLOATS for end in pcompute.min_max(column).as_py().values())


def _truth_options() -> dict[str, list[str]]:
    return {"true_values": _TRUTH["true"], "false_values": _TRUTH["false"]}


def _where(cells: pa.Array, words: Sequence[str]) -> list[int]:
    """Rows that hold one of some words."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pcompute

    text, _ = cast_by_halves(cells, pa.string())
    there = pcompute.is_in(pcompute.utf8_trim_whitespace(text), value_set=pa.array(words))
    return [int(row) for row in np.flatnonzero(there.to_numpy(zero_copy_only=False))]


def _is_text(cells: pa.Array, numbers: pa.Array) -> bool:
    """Whether what Arrow read as numbers is none to pandas, or none that a float holds."""
    import pyarrow.compute as pcompute

    return bool(pcompute.any(pcompute.match_substring_regex(cells, "^[ \t]*0[xX]")).as_py() or _rounded(cells, numbers))


def _rounded(text: pa.Array, values: pa.Array) -> list[int]:
    """Numbers of the rows that have a whole number which is another one as a float."""
    import numpy as np
    import pyarrow.types as pt

    if not pt.is_float64(values.type):
        return []
    numbers = values.to_numpy(zero_copy_only=False)
    large = np.flatnonzero(np.isfinite(numbers) & (np.abs(numbers) >= EXACT_FLOATS))
    cells = ((int(row), text[row].as_py().strip()) for row in large)
    return [row for row, cell in cells if _WHOLE.fullmatch(cell) and int(cell) != int(numbers[row])]


def _misfit(found: str | None, wanted: pa.DataType) -> str:
    if str(wanted) == "double" and found is not None and _WHOLE.fullmatch(found.strip()):
        return f"{found} {NO_EXACT_FLOAT}"
    return f"expected {_EXPECTED[str(wanted)]}, found {found!r}"
