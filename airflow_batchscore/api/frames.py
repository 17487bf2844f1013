"""A pandas frame as scoring sees the rows of a file: the columns that are needed, in the types of the training data."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.casting import fit, texts
from airflow_batchscore.errors import InputError, listed

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def batch_of(frame: pd.DataFrame, columns: Mapping[str, str | None]) -> Batch:
    """The rows of a frame. A row with a value that does not fit its column's type is set apart.

    Args:
        columns: name -> type name.

    Raises:
        InputError: it is no frame, lacks a column or has it twice, or a column has values of another kind.
    """
    table = _table(frame, list(columns))
    fitted = fit(table, columns, {}, "the frame")
    bad = [BadRow(row, "TypeError", message, texts(table, row)) for row, message in sorted(fitted.problems.items())]
    return Batch(fitted.inputs, fitted.rows, bad, fitted.inputs.select([]))


def _table(frame: pd.DataFrame, names: list[str]) -> pa.Table:
    import pandas as pd
    import pyarrow as pa

    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"give a pandas DataFrame with the columns {listed(names)}, not {type(frame).__name__}")
    require(frame, names)
    return pa.table({name: _column(frame[name], name) for name in names})


def require(frame: pd.DataFrame, names: list[str]) -> None:
    """Raise InputError that names the columns that a frame lacks, or has twice."""
    has = [str(name) for name in frame.columns]
    missing = [name for name in names if name not in frame.columns]
    if missing:
        close = {name: get_close_matches(name, has, 1) for name in missing}
        hint = ", ".join(f"{name!r} instead of {found[0]!r}" for name, found in close.items() if found)
        raise InputError(
            f"the frame lacks the columns {missing}; it has {listed(has)}. "
            f"{f'Is it {hint}? ' if hint else ''}Give the frame as it is read, before any features are made of it"
        )
    twice = [name for name in names if has.count(name) > 1]
    if twice:
        raise InputError(f"the frame has more than one column named {twice}")


def _column(values: pd.Series, name: str) -> pa.Array:
    """A column without any value has no type: pandas calls it float."""
    import pyarrow as pa

    try:
        array = pa.Array.from_pandas(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"the frame's column {name!r} has values of several kinds: {error}. Convert it: "
            f"frame[{name!r}] = frame[{name!r}].astype(...)"
        ) from error
    return pa.nulls(len(array)) if len(array) and array.null_count == len(array) else array
