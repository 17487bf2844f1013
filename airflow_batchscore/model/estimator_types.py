"""Whether an estimator does the same here as in a notebook, where pandas gives some of its features other types."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.measure import results
from airflow_batchscore.model.outputs import METHODS
from airflow_batchscore.model.row_wise import first_difference
from airflow_batchscore.model.same_types import Pair, remedies

if TYPE_CHECKING:
    import pandas as pd


def check_estimator(estimator: Any, pair: Pair | None) -> None:
    """Look at an estimator that has not been fitted.

    Raises RecipeError: it would pick other columns in a notebook, by their types.
    """
    if pair is None:
        return
    for part in _parts(estimator):
        for here, there in _picked(part, pair):
            if here != there:
                names = [name for name in pair.dtypes if (name in here) != (name in there)]
                raise RecipeError(
                    f"a column selector of {type(part).__name__} picks {here} here, and {there} in a notebook, where "
                    "pandas has other types. Name the columns in place of the selector. "
                    f"{remedies(pair.dtypes, names, or_plain=False)}"
                )


def check_fitted(estimator: Any, pair: Pair | None) -> None:
    """Raises RecipeError: what a fitted estimator gives depends on the types that its features have in a notebook."""
    if pair is None or not len(pair.ours) or list(pair.ours.dtypes) == list(pair.notebook.dtypes):
        return
    ours = pair.ours
    for method in METHODS:
        whole = _tried(estimator, method, ours)
        if whole is None or not _differs(estimator, method, whole, pair.notebook):
            continue
        if _differs(estimator, method, whole, ours):  # by chance
            continue
        names = [name for name in ours if pair.notebook[name].dtype != ours[name].dtype]
        alone = [name for name in names if _differs(estimator, method, whole, _with_column(pair, name))]
        guilty = [str(name) for name in alone or names if name in pair.dtypes]
        raise RecipeError(
            f"{method} of {type(estimator).__name__} gives something else here than for the types that pandas gives "
            f"{alone or names} in a notebook. {remedies(pair.dtypes, guilty or pair.dtypes)}"
        )


def _with_column(pair: Pair, name: Any) -> pd.DataFrame:
    frame = pair.ours.copy()
    frame[name] = pair.notebook[name]
    return frame


def _parts(estimator: Any) -> list[Any]:
    parameters = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    return [estimator, *parameters.values()]


def _picked(part: Any, pair: Pair) -> Iterator[tuple[list[str], list[str]]]:
    """What each selector of a ColumnTransformer picks, here and there."""
    entries = getattr(part, "transformers", None)
    for entry in entries if isinstance(entries, (list, tuple)) else ():
        if not (isinstance(entry, tuple) and len(entry) == 3 and callable(entry[2])):
            continue
        with contextlib.suppress(Exception):  # it is for columns that an earlier step makes
            here, there = (list(map(str, entry[2](frame.copy()))) for frame in (pair.ours, pair.notebook))
            yield here, there


def _tried(estimator: Any, method: str, frame: pd.DataFrame) -> pd.DataFrame | None:
    if not hasattr(estimator, method):
        return None
    try:
        return results(estimator, frame.reset_index(drop=True), method)
    except Exception:  # it is not for these types: then a notebook has no such result
        return None


def _differs(estimator: Any, method: str, whole: pd.DataFrame, frame: pd.DataFrame) -> bool:
    other = _tried(estimator, method, frame)
    return other is not None and (
        list(other) != list(whole) or len(other) != len(whole) or first_difference(whole, other) is not None
    )
