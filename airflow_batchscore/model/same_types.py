"""Checks that user code behaves as in a notebook: reruns it on a sample with the types that pandas itself assigns.

Differences are refused, naming the columns responsible. Code that raises with those types is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.data.formats.base import Dtypes
from airflow_batchscore.data.frames import to_frame
from airflow_batchscore.data.notebook import remedy, that_apply, with_types
from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model import row_wise
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.user_code import Made, call

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MOST_NAMED = 5


@dataclass(frozen=True)
class Pair:
    """Features of the same rows as this package makes them and as a notebook would.

    Attributes:
        dtypes: the notebook's types of the raw columns, where they differ.
    """

    ours: pd.DataFrame
    notebook: pd.DataFrame
    dtypes: Dtypes

    def changed(self, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Pair:
        return Pair(change(self.ours), change(self.notebook), self.dtypes)


def check(
    function: FunctionRef, table: pa.Table, dtypes: Dtypes, *, repeats: bool = False
) -> tuple[Made, Made, Dtypes] | None:
    """Run `function` on some rows of `table` as they are and with a notebook's types; None if inconclusive.

    Raises RecipeError naming the columns and what to do if the results differ.
    """
    dtypes = that_apply(dtypes, table)
    if not dtypes or not table.num_rows:
        return None
    sample = _sample(table)

    def run(subset: Dtypes) -> Made | None:
        return _tried(function, sample, subset, repeats=repeats)

    ours, theirs = run({}), run(dtypes)
    if ours is None or theirs is None:
        return None
    if not refuse_difference(function.path, run, dtypes, ours, theirs):
        return None
    return ours, theirs, dtypes


def check_recipe(recipe: Recipe, table: pa.Table, features: Sequence[object], dtypes: Dtypes) -> Pair | None:
    """`check` for a recipe's functions on some rows of `table`; returns what `features` are here and in a notebook."""
    if recipe.target is not None:
        check(recipe.target, table, dtypes)
    if recipe.features is not None:
        checked = check(recipe.features, table.select(recipe.inputs(table.column_names)), dtypes)
        if checked is None:
            return None
        ours, theirs = checked[0].frame, checked[1].frame
        places = [[str(name) for name in theirs.columns].index(str(name)) for name in ours.columns]
        return Pair(ours, theirs.iloc[:, places].set_axis(ours.columns, axis=1), checked[2])
    inputs = table.select(features)
    dtypes = that_apply(dtypes, inputs)
    if not dtypes:
        return None
    ours = to_frame(_sample(inputs))
    return Pair(ours, with_types(ours, dtypes), dtypes)


def cure_of(recipe: Recipe, table: pa.Table, dtypes: Dtypes) -> str:
    """`cure` for a recipe that failed."""
    inputs = table.select(recipe.inputs(table.column_names))
    pairs = ((recipe.features, inputs), (recipe.target, table))
    return next((advice for f, rows in pairs if f is not None and (advice := cure(f, rows, dtypes))), "")


def _sample(table: pa.Table) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    return table.take(pa.array(np.sort(row_wise.sample_rows(table))))


def refuse_difference(
    path: str, run: Callable[[Dtypes], Made | None], dtypes: Dtypes, ours: Made, theirs: Made
) -> bool:
    """Whether two results are the same. Raises RecipeError if they differ because of the types.

    Args:
        run: makes such a result with some columns in a notebook's types; None if it fails.
    """
    reason = difference(ours, theirs)
    if reason is None:
        return True
    again = run({})
    if again is None or difference(ours, again) is not None:  # by chance, or because of an earlier call
        return False

    def matters(name: str) -> bool:
        alone, others = run({name: dtypes[name]}), run({n: kind for n, kind in dtypes.items() if n != name})
        return any(made and difference(same, made) for same, made in ((ours, alone), (theirs, others)))

    guilty = list(filter(matters, dtypes))
    raise RecipeError(
        f"{path} would give something else here than in a notebook, where pandas has other types: {reason}. "
        f"{remedies(dtypes, guilty or dtypes)}"
    )


def remedies(dtypes: Dtypes, names: Iterable[str], *, or_plain: bool = True) -> str:
    """What to do about the columns of these names; see `remedy`."""
    every = list(names)
    more = f". The same goes for {every[_MOST_NAMED:]}" if len(every) > _MOST_NAMED else ""
    return ". ".join(f"Column {remedy(name, dtypes[name], or_plain=or_plain)}" for name in every[:_MOST_NAMED]) + more


def cure(function: FunctionRef, table: pa.Table, dtypes: Dtypes) -> str:
    """Advice for a function that failed: which column types it needs; empty if they would not help."""
    dtypes = that_apply(dtypes, table)
    if not dtypes:
        return ""
    sample = _sample(table)

    def works(subset: Dtypes) -> bool:
        return _tried(function, sample, subset, repeats=True) is not None

    if works({}) or not works(dtypes):
        return ""
    needed = [name for name, dtype in dtypes.items() if works({name: dtype})]
    return f". In a notebook it works, where pandas has other types. {remedies(dtypes, needed or dtypes)}"


def _tried(function: FunctionRef, table: pa.Table, dtypes: Dtypes, *, repeats: bool) -> Made | None:
    try:
        return call(function, table, repeats=repeats, dtypes=dtypes)
    except Exception:  # user code may raise anything
        return None


def difference(ours: Made, theirs: Made) -> str | None:
    """How two results for the same rows differ, in words."""
    import numpy as np

    names = [str(name) for name in ours.frame.columns]
    others = [str(name) for name in theirs.frame.columns]
    if set(names) != set(others):
        return f"the columns are {names}, not {others}"
    if len(set(names)) < len(names):  # refused where the result is used
        return None
    if not np.array_equal(ours.rows, theirs.rows):
        only = np.setxor1d(ours.rows, theirs.rows)
        row = int(only[0]) if len(only) else 0
        kept = "kept" if (ours.rows == row).sum() > (theirs.rows == row).sum() else "left out"
        return f"{len(ours.rows)} rows come of a sample, not {len(theirs.rows)}; row {row} of it is {kept}"
    left, right = ours.frame.set_axis(names, axis=1), theirs.frame.set_axis(others, axis=1)[names]
    first = row_wise.first_difference(left, right)
    if first is None:
        return None
    name, place = first
    one, other = (row_wise.plain(frame[name].iloc[place]) for frame in (left, right))
    return f"column {name!r} of row {ours.rows[place]} of a sample is {one!r}, not {other!r}"
