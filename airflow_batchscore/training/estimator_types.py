"""Checks that an estimator behaves as in a notebook, where pandas gives some of its features other types."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.outputs import METHODS
from airflow_batchscore.model.row_wise import first_difference
from airflow_batchscore.model.same_types import Pair, remedies
from airflow_batchscore.training.signature import results

if TYPE_CHECKING:
    import pandas as pd


def check_estimator(estimator: object, pair: Pair | None) -> None:
    """Check an unfitted estimator.

    Raises RecipeError if its selectors would pick other columns in a notebook because of their types.
    """
    if pair is None:
        return
    for part in _parts(estimator):
        for ours, notebook in _picked(part, pair):
            if ours != notebook:
                names = [name for name in pair.dtypes if (name in ours) != (name in notebook)]
                raise RecipeError(
                    f"a column selector of {type(part).__name__} picks {ours} here, and {notebook} in a notebook, "
                    "where pandas has other types. Name the columns in place of the selector. "
                    f"{remedies(pair.dtypes, names, or_plain=False)}"
                )


def check_fitted(estimator: object, pair: Pair | None) -> None:
    """Raise RecipeError if a fitted estimator's results depend on the types its features have in a notebook."""
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


def _with_column(pair: Pair, name: object) -> pd.DataFrame:
    frame = pair.ours.copy()
    frame[name] = pair.notebook[name]
    return frame


def _parts(estimator: object) -> list[object]:
    parameters = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    return [estimator, *parameters.values()]


def _picked(part: object, pair: Pair) -> Iterator[tuple[list[str], list[str]]]:
    """The columns each selector of a ColumnTransformer picks here and in a notebook."""
    entries = getattr(part, "transformers", None)
    for entry in entries if isinstance(entries, (list, tuple)) else ():
        if not (isinstance(entry, tuple) and len(entry) == 3 and callable(entry[2])):
            continue
        with contextlib.suppress(Exception):  # it selects columns made by an earlier step
            ours, notebook = (list(map(str, entry[2](frame.copy()))) for frame in (pair.ours, pair.notebook))
            yield ours, notebook


def _tried(estimator: object, method: str, frame: pd.DataFrame) -> pd.DataFrame | None:
    if not hasattr(estimator, method):
        return None
    try:
        return results(estimator, frame.reset_index(drop=True), method)
    except Exception:  # it does not support these types, so a notebook would have no result either
        return None


def _differs(estimator: object, method: str, whole: pd.DataFrame, frame: pd.DataFrame) -> bool:
    other = _tried(estimator, method, frame)
    return other is not None and (
        list(other) != list(whole) or len(other) != len(whole) or first_difference(whole, other) is not None
    )
