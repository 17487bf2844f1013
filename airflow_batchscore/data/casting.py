"""Casts Arrow columns to the requested types. A value is exact in its new type, or its row is set apart.

Whether types are compatible (integers may be read as floats, numbers never as text) is decided per column; whether a
value fits (an integer above 2**53 may not be exact as a float) is decided per row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

from airflow_batchscore.data.column_types import TYPE_NAMES
from airflow_batchscore.data.common_type import common_type, plain
from airflow_batchscore.data.exact import NO_EXACT_FLOAT
from airflow_batchscore.data.halves import cast_by_halves
from airflow_batchscore.data.no_type import NO_TYPE, still_empty
from airflow_batchscore.data.type_names import arrow_type, is_text
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class Fitted(NamedTuple):
    """Rows of a table in the requested types.

    Attributes:
        inputs, keys: of the rows that fit.
        rows: their row numbers in the table.
        problems: row -> what does not fit.
    """

    inputs: pa.Table
    keys: pa.Table
    rows: np.ndarray
    problems: dict[int, str]


def fit(
    table: pa.Table,
    columns: Mapping[str, str | None],
    keys: Mapping[str, str | None],
    what: str,
    declared: Collection[str] = (),
) -> Fitted:
    """The columns of `table` in the requested types; None keeps a column's type, or the value type of a dictionary.

    Args:
        keys: the same for the columns passed through with the scores.
        what: name of the table in messages.
        declared: columns whose type the user declared; any cast is allowed for them.

    Raises:
        InputError: a column of `columns` is incompatible with the requested type, or has its first value here.
    """
    import pyarrow as pa

    problems: dict[int, str] = {}
    for name in dict.fromkeys([*columns, *keys]):
        column = table.column(name)
        for row in _not_utf8(column):
            problems[row] = f"column {name!r}: expected UTF-8 text, found {_text(column[row])!r}"
    rows = _without(table.num_rows, problems)
    table = taken(table, rows)
    inputs, carried, unfit = {}, {}, dict[int, str]()
    for name, kind in columns.items():
        if kind == NO_TYPE:
            inputs[name] = _still_empty(name, table.column(name), what)
            continue
        if kind is not None and name not in declared:
            _require_kind(name, table.schema.field(name).type, kind, what)
        inputs[name], bad = _cast(name, table.column(name), kind)
        unfit |= bad
    for name, kind in keys.items():
        carried[name], bad = _cast(name, table.column(name), kind)
        unfit |= bad
    problems |= {int(rows[row]): message for row, message in unfit.items()}
    made, those = ((pa.table(part) if part else table).select(list(part)) for part in (inputs, carried))
    if unfit:
        kept = _without(len(rows), unfit)
        made, those, rows = taken(made, kept), taken(those, kept), rows[kept]
    return Fitted(made, those, rows, problems)


def fits_as_it_is(schema: pa.Schema, columns: Mapping[str, str | None], keys: Mapping[str, str | None]) -> bool:
    """Whether `fit` returns all rows of a table with this schema as they are, whatever their values."""

    def fits(kind: str | None, actual: pa.DataType) -> bool:
        asked_for = kind is None or (kind != NO_TYPE and actual == arrow_type(kind))
        return asked_for and actual == plain(actual) and not _holds_text(actual)

    return all(fits(kind, schema.field(name).type) for name, kind in (*columns.items(), *keys.items()))


def _still_empty(name: str, column: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    try:
        return still_empty(name, _without_dictionary(column))
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def cast_columns(table: pa.Table, columns: Mapping[str, str | None], what: str) -> pa.Table:
    """`fit` for rows that cannot be set apart. Raises InputError naming `what` and the row."""
    fitted = fit(table, columns, {}, what)
    if fitted.problems:
        row, message = min(fitted.problems.items())
        raise InputError(f"{what}, row {row}: {message}")
    return fitted.inputs


def texts(table: pa.Table, row: int) -> dict[str, str | None]:
    """The values of a row as text, for display."""
    return {name: _text(table.column(name)[row]) for name in table.column_names}


def _text(value: pa.Scalar) -> str | None:
    try:
        plain_value = value.as_py()
    except (UnicodeDecodeError, ValueError, OverflowError):  # not UTF-8, or a time outside Python's range
        return _readable(value)
    return None if plain_value is None else str(plain_value)


def _readable(value: pa.Scalar) -> str:
    import pyarrow as pa

    try:
        return bytes(value.cast(pa.binary()).as_py()).decode("utf-8", "backslashreplace")
    except (pa.ArrowException, UnicodeDecodeError, ValueError):
        return f"<{value.type}>"


def _without(count: int, rows: Collection[int]) -> np.ndarray:
    """The numbers below `count` that are not in `rows`."""
    import numpy as np

    every = np.arange(count)
    return np.delete(every, sorted(rows)) if rows else every


def taken(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """These rows of the table, which may have no columns."""
    import pyarrow as pa

    if len(rows) == table.num_rows:
        return table
    # Without columns, `take` would lose the number of rows.
    return table.take(pa.array(rows)) if table.column_names else table.slice(0, len(rows))


def _not_utf8(column: pa.ChunkedArray) -> list[int]:
    """Numbers of the rows whose text is not UTF-8; Arrow does not check what the file claims."""
    import pyarrow as pa

    def copied(part: pa.ChunkedArray) -> pa.ChunkedArray:  # for a slice of lists, all values would be checked
        return part.take(pa.array(range(len(part)), pa.int64()))

    def invalid(part: pa.ChunkedArray, start: int) -> list[int]:
        try:
            part.validate(full=True)
        except pa.ArrowInvalid:
            if len(part) == 1:
                return [start]
            middle = len(part) // 2
            return invalid(copied(part[:middle]), start) + invalid(copied(part[middle:]), start + middle)
        return []

    if not _holds_text(column.type):
        return []
    return invalid(_without_dictionary(column), 0)


def _without_dictionary(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = plain(column.type)
    return column if column.type == kind else column.cast(kind)


def _holds_text(kind: pa.DataType) -> bool:
    import pyarrow.types as pt

    if pt.is_nested(kind):
        return any(_holds_text(kind.field(place).type) for place in range(kind.num_fields))
    return is_text(plain(kind))


def _require_kind(name: str, actual: pa.DataType, kind: str, what: str) -> None:
    import pyarrow.types as pt

    wanted = arrow_type(kind)
    if actual != wanted and not pt.is_null(actual) and not _goes_as(plain(actual), wanted):
        raise InputError(
            f"{what}: column {name!r} is {actual}, the model was trained on {kind if kind in TYPE_NAMES else wanted} "
            "(for a function: that is the type in the partition's first file). Write the file with that type, or name "
            f"one: PartitionedDataset(read_options={{'column_types': {{{name!r}: ...}}}})"
        )


def _goes_as(actual: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of one type can be read as the other without changing their meaning."""
    import pyarrow.types as pt

    if pt.is_float64(wanted) or pt.is_int64(wanted):
        return bool(pt.is_integer(actual) or pt.is_floating(actual) or pt.is_decimal(actual) or pt.is_boolean(actual))
    if pt.is_string(wanted):  # dates: CSV files hold them as text
        return bool(_holds_text(actual) and not pt.is_nested(actual)) or bool(pt.is_date(actual) or pt.is_time(actual))
    if pt.is_nested(wanted):
        return bool(actual.id == wanted.id)
    if pt.is_timestamp(wanted) and pt.is_timestamp(actual):  # an instant is the same in every zone
        return (actual.tz is None) == (wanted.tz is None)
    return common_type([actual, wanted]) is not None and not pt.is_boolean(wanted)


def _cast(name: str, column: pa.ChunkedArray, kind: str | None) -> tuple[pa.Array | pa.ChunkedArray, dict[int, str]]:
    """A column cast to another type, with null for values that do not fit, and the problem of each such row."""
    column = _without_dictionary(column)
    wanted = column.type if kind is None else arrow_type(kind)
    if column.type == wanted:
        made, bad = column, list[int]()
    else:
        made, bad = cast_by_halves(column.combine_chunks(), wanted)
    problems = {row: f"column {name!r}: {_text(column[row])} {_reason(column.type, made.type)}" for row in bad}
    return made, problems


def _reason(actual: pa.DataType, wanted: pa.DataType) -> str:
    import pyarrow.types as pt

    if pt.is_float64(wanted) and pt.is_integer(actual):
        return NO_EXACT_FLOAT
    return f"is not exact as {wanted}, the type that this column is read as"
