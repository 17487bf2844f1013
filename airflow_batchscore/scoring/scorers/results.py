"""Results of a function, as a frame whose columns are named by text like those of a file, and rows that gave none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.casting import texts
from airflow_batchscore.errors import RecipeError, first_lines, listed
from airflow_batchscore.model.user_code import as_frame

if TYPE_CHECKING:
    import pandas as pd


def named_by_text(made: pd.DataFrame, path: str) -> pd.DataFrame:
    """The frame with its columns (0, 1, ... of ``str.split(expand=True)``, of an unnamed Series) named by text.

    Raises RecipeError if two of them then have the same name.
    """
    if all(isinstance(name, str) for name in made.columns):
        return made
    names = [str(name) for name in made.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecipeError(
            f"{path} gave more than one column that is called {twice} as text; give each a name of its own"
        )
    return made.set_axis(names, axis=1)


def of_group(result: object, path: str) -> pd.DataFrame:
    """A function's result for a group. Raises RecipeError if its index holds information that the columns lack."""
    import pandas as pd

    made = as_frame(result, path)
    index = made.index
    labelled = not pd.api.types.is_integer_dtype(index.dtype) and (isinstance(result, pd.Series) or len(made) > 1)
    if len(made) and (labelled or any(name is not None for name in index.names)):
        raise RecipeError(
            f"{path} returned a {type(result).__name__} whose index has labels or a name "
            f"({listed(map(repr, index.tolist()))}), which would be lost: only the columns of a "
            "group's result are written. Make columns of it with .reset_index(), one row of a Series with "
            ".to_frame().T, or drop it with .reset_index(drop=True)"
        )
    return named_by_text(made, path)


def bad_row(batch: Batch, row: int, error: Exception) -> BadRow:
    """A row of a batch that cannot be scored, for quarantine."""
    raw = texts(batch.table, row) | texts(batch.keys, row)
    message = first_lines(error)[:2000].encode("utf-8", "backslashreplace").decode()  # it may hold half a character
    return BadRow(int(batch.positions[row]), type(error).__name__, message, raw)
