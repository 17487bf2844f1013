"""Converts lines of JSON to typed Arrow columns; rows that do not parse are set apart, neither lost nor fatal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.exact import EXACT_FLOATS, NO_EXACT_FLOAT
from airflow_batchscore.data.formats.base import Types
from airflow_batchscore.data.formats.jsonl_records import Members, Number, Record, parse, records
from airflow_batchscore.data.formats.jsonl_types import is_rounded
from airflow_batchscore.data.formats.lines import Lines
from airflow_batchscore.data.formats.text_types import EXPECTED, arrow_type
from airflow_batchscore.data.no_type import still_empty

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST_WHOLE = len(str(-(1 << 63)))
_MOST_SHOWN = 200


class _MisfitError(Exception):
    """A value does not fit its column."""


class JsonLinesReader:
    """Reads lines of one file.

    Args:
        columns: name -> type name of the columns to read, text if None. A name that a line lacks is a missing value.
        keys: the same for the columns passed through with the scores. As text, a number is what the file says, digit
            for digit.
    """

    def __init__(self, columns: Types, keys: Types) -> None:
        self.columns = {name: arrow_type(kind or "string") for name, kind in columns.items()}
        self.keys = {name: arrow_type(kind or "string") for name, kind in keys.items()}
        self._names = list(dict.fromkeys([*self.columns, *self.keys]))
        #: False if a column is used as a key of one type and an input of another.
        self._one_type = all(self.keys.get(name, kind) == kind for name, kind in self.columns.items())

    def read(self, lines: Lines) -> Batch:
        """All rows of `lines`, numbered from 0. Raises InputError for a value in a `NO_TYPE` column."""
        import numpy as np
        import pyarrow as pa

        table = parse(lines, pa.schema({**self.columns, **self.keys})) if self._one_type else None
        if table is None or _beyond_floats(table):
            return self._one_by_one(lines)
        inputs, keys = (table.select(list(names)) for names in (self.columns, self.keys))
        return Batch(inputs, np.arange(table.num_rows), [], keys)

    def _one_by_one(self, lines: Lines) -> Batch:
        import numpy as np
        import pyarrow as pa

        bad: list[BadRow] = []
        positions: list[int] = []
        inputs: dict[str, list[object]] = {name: [] for name in self.columns}
        keys: dict[str, list[object]] = {name: [] for name in self.keys}
        for row, record in enumerate(records(lines)):
            try:
                cells = self._cells(record)
                made = [(inputs, _converted(cells, self.columns)), (keys, _converted(cells, self.keys))]
            except _MisfitError as error:
                bad.append(BadRow(row, "ParseError", str(error), self._raw(record)))
                continue
            positions.append(row)
            for column, values in made:
                for name, value in values.items():
                    column[name].append(value)

        def table(values: Mapping[str, list[object]], types: Mapping[str, pa.DataType]) -> pa.Table:
            columns = {name: _column(name, values[name], kind) for name, kind in types.items()}
            # Without columns, a table would lose its row count.
            return pa.table(columns) if columns else pa.table({"": pa.nulls(len(positions))}).select([])

        return Batch(table(inputs, self.columns), np.array(positions, dtype=np.int64), bad, table(keys, self.keys))

    def _cells(self, record: Record) -> dict[str, object]:
        """The values of the columns to read. Raises _MisfitError if the line is not one object."""
        if record.members is None:
            raise _MisfitError(record.problem)
        cells: dict[str, object] = dict.fromkeys(self._names)
        seen: set[str] = set()
        for name, value in record.members:
            if name not in cells:
                continue
            if name in seen:
                raise _MisfitError(f"the line has two values for {name!r}")
            seen.add(name)
            cells[name] = value
        return cells

    def _raw(self, record: Record) -> dict[str, str | None]:
        if record.members is None:
            return {"line": record.text}
        return {name: None if value is None else _shown(value) for name, value in record.members if name in self._names}


def _converted(cells: Mapping[str, object], types: Mapping[str, pa.DataType]) -> dict[str, object]:
    """Raises _MisfitError naming the column of a value that does not fit."""
    return {name: _fitted(name, cells[name], str(kind)) for name, kind in types.items()}


def _fitted(name: str, value: object, kind: str) -> object:
    if value is None:
        return None
    if kind == "double" and isinstance(value, Number):
        return _float(name, value)
    if kind == "int64" and isinstance(value, Number) and value.lstrip("-").isdigit():
        if len(value) <= _LONGEST_WHOLE and -(1 << 63) <= int(value) < 1 << 63:
            return int(value)
    elif kind == "bool" and isinstance(value, bool):
        return value
    elif kind == "null" and isinstance(value, Number) and value == "NaN":
        return None
    elif kind in ("string", "null") and _is_text(value):
        return _shown(value)
    shown = repr(_shown(value)) if isinstance(value, str) and not isinstance(value, Number) else _shown(value)
    raise _MisfitError(f"column {name!r}: expected {EXPECTED.get(kind, 'UTF-8 text')}, found {shown[:_MOST_SHOWN]}")


def _float(name: str, value: Number) -> float:
    if is_rounded(value):
        raise _MisfitError(f"column {name!r}: {value} {NO_EXACT_FLOAT}")
    number = float(value)
    if abs(number) == float("inf") and "I" not in value:
        raise _MisfitError(f"column {name!r}: {value[:_MOST_SHOWN]} is beyond what a float64 holds")
    return number


def _is_text(value: object) -> bool:
    """Whether it has a text that is UTF-8: a line may hold other bytes, or half of a surrogate pair."""
    if not isinstance(value, str):
        return isinstance(value, bool)
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    """A value as text; numbers as they are written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return "an object" if isinstance(value, Members) else "a list"


def _column(name: str, values: Sequence[object], kind: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa

    if pa.types.is_null(kind):
        return still_empty(name, pa.chunked_array([pa.array(values, pa.string())]))
    return pa.chunked_array([pa.array(values, kind)])


def _beyond_floats(table: pa.Table) -> bool:
    """Whether there are floats above 2**53, not all of which are exact."""
    import pyarrow.compute as pc
    import pyarrow.types as pt

    floats = [column for column in table.columns if pt.is_float64(column.type)]
    ends = [end for column in floats for end in pc.min_max(column).as_py().values()]
    return any(end is not None and abs(end) >= EXACT_FLOATS for end in ends)
