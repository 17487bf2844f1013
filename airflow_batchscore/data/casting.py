"""Arrow columns in the types that they are to be read with. A value is exact in its new type, or its row is set apart.

Which kinds of types go together (whole numbers may be read as floats, numbers never as text) is a matter of the whole
column; whether a value fits (an integer above 2**53 is no float) is one of its row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_batchscore.data.column_types import TYPE_NAMES
from airflow_batchscore.data.common_type import common_type, plain
from airflow_batchscore.data.csv_reader import NO_EXACT_FLOAT
from airflow_batchscore.data.exact import EXACT_FLOATS
from airflow_batchscore.data.halves import cast_by_halves
from airflow_batchscore.data.no_type import NO_TYPE, still_empty
from airflow_batchscore.data.type_names import is_text, named
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class Fitted(NamedTuple):
    """Rows of a table with the types that are to be read.

    Attributes:
        inputs, keys: of the rows that fit.
        rows: their numbers in the table.
        problems: row -> what does not fit there.
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
    """The columns of `table` in the types asked for; one whose type is None keeps its own, dictionaries their values'.

    Args:
        keys: likewise, of those that go with the scores.
        what: how messages call the table.
        declared: columns whose type a person has named, which may be of any kind.

    Raises:
        InputError: a column of `columns` is of another kind than the type asked for, or has its first value here.
    """
    import pyarrow as pa

    problems: dict[int, str] = {}
    for name in dict.fromkeys([*columns, *keys]):
        column = table.column(name)
        for row in _not_utf8(column):
            problems[row] = f"column {name!r}: expected UTF-8 text, found {_text(column[row])!r}"
    rows = _without(table.num_rows, problems)
    table = _taken(table, rows)
    inputs, carried, unfit = {}, {}, dict[int, str]()
    for name, kind in columns.items():
        if kind == NO_TYPE:
            inputs[name] = _still_empty(name, table.column(name), what)
            continue
        if kind is not None and name not in declared:
            _require_kind(name, table.schema.field(name).type, kind, what)
        inputs[name], bad = _cast(name, table.column(name), kind, for_pandas=True)
        unfit |= bad
    for name, kind in keys.items():
        carried[name], bad = _cast(name, table.column(name), kind)
        unfit |= bad
    problems |= {int(rows[row]): message for row, message in unfit.items()}
    made, those = ((pa.table(some) if some else table).select(list(some)) for some in (inputs, carried))
    if unfit:
        kept = _without(len(rows), unfit)
        made, those, rows = _taken(made, kept), _taken(those, kept), rows[kept]
    return Fitted(made, those, rows, problems)


def _still_empty(name: str, column: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    try:
        return still_empty(name, _without_dictionary(column))
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def cast_columns(table: pa.Table, columns: Mapping[str, str | None], what: str) -> pa.Table:
    """`fit`, for rows that cannot be set apart. Raises InputError that names `what` and the row, too."""
    fitted = fit(table, columns, {}, what)
    if fitted.problems:
        row, message = min(fitted.problems.items())
        raise InputError(f"{what}, row {row}: {message}")
    return fitted.inputs


def texts(table: pa.Table, row: int) -> dict[str, str | None]:
    """The values of a row as text, for people."""
    return {name: _text(table.column(name)[row]) for name in table.column_names}


def _text(value: pa.Scalar) -> str | None:
    try:
        plain_value = value.as_py()
    except (UnicodeDecodeError, ValueError, OverflowError):  # not UTF-8, or a time that Python does not know
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


def _taken(table: pa.Table, rows: np.ndarray) -> pa.Table:
    import pyarrow as pa

    return table if len(rows) == table.num_rows else table.take(pa.array(rows))


def _not_utf8(column: pa.ChunkedArray) -> list[int]:
    """Numbers of the rows whose text is not UTF-8; Arrow takes a file's word for it."""
    import pyarrow as pa

    def copied(part: pa.ChunkedArray) -> pa.ChunkedArray:  # of a slice of lists, all values would be looked at
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


def _require_kind(name: str, found: pa.DataType, kind: str, what: str) -> None:
    import pyarrow.types as pt

    wanted = named(kind)
    if found != wanted and not pt.is_null(found) and not _goes_as(plain(found), wanted):
        raise InputError(
            f"{what}: column {name!r} is {found}, the model was trained on {kind if kind in TYPE_NAMES else wanted} "
            "(for a function: that is the type in the partition's first file). Write the file with that type, or name "
            f"one: PartitionedDataset(read_options={{'column_types': {{{name!r}: ...}}}})"
        )


def _goes_as(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of a type can be read as another one without becoming something else."""
    import pyarrow.types as pt

    if pt.is_float64(wanted) or pt.is_int64(wanted):
        return bool(pt.is_integer(found) or pt.is_floating(found) or pt.is_decimal(found) or pt.is_boolean(found))
    if pt.is_string(wanted):  # dates: what a CSV file calls text
        return bool(_holds_text(found) and not pt.is_nested(found)) or bool(pt.is_date(found) or pt.is_time(found))
    if pt.is_nested(wanted):
        return bool(found.id == wanted.id)
    if pt.is_timestamp(wanted) and pt.is_timestamp(found):  # an instant is the same in every zone
        return (found.tz is None) == (wanted.tz is None)
    return common_type([found, wanted]) is not None and not pt.is_boolean(wanted)


def _cast(
    name: str, column: pa.ChunkedArray, kind: str | None, *, for_pandas: bool = False
) -> tuple[Any, dict[int, str]]:
    """A column in another type, null where a value does not fit, and what is wrong with those rows."""
    import pyarrow.types as pt

    column = _without_dictionary(column)
    wanted = column.type if kind is None else named(kind)
    if column.type == wanted:
        made, bad = column, list[int]()
    else:
        made, bad = cast_by_halves(column.combine_chunks(), wanted)
    problems = {row: f"column {name!r}: {_text(column[row])} {_reason(column.type, made.type)}" for row in bad}
    if for_pandas and pt.is_integer(made.type) and made.null_count:
        why = "is above 2**53, and pandas makes floats of integers where one is missing"
        problems |= {row: f"column {name!r}: {column[row]} {why}" for row in _above(made)}
    return made, problems


def _reason(found: pa.DataType, wanted: pa.DataType) -> str:
    import pyarrow.types as pt

    if pt.is_float64(wanted) and pt.is_integer(found):
        return NO_EXACT_FLOAT
    return f"is not exact as {wanted}, the type that this column is read as"


def _above(column: Any) -> list[int]:
    import numpy as np
    import pyarrow.compute as pc
    import pyarrow.types as pt

    beyond = pc.greater(column, EXACT_FLOATS)
    if pt.is_signed_integer(column.type):
        beyond = pc.or_(beyond, pc.less(column, -EXACT_FLOATS))
    return [int(row) for row in np.flatnonzero(pc.fill_null(beyond, False).to_numpy(zero_copy_only=False))]
