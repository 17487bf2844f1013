"""Features, made by a recipe and checked; where two models of one recipe score the same rows, made once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_batchscore.model import row_wise
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.user_code import Made

if TYPE_CHECKING:
    import pyarrow as pa


class SharedFeatures:
    """Makes features for models that share one recipe.

    Args:
        twice: whether two models score each batch, one after the other.
    """

    def __init__(self, *, twice: bool = False) -> None:
        self._twice = twice
        self._kept: tuple[pa.Table, Made] | None = None
        #: Functions already verified to treat each row independently.
        self._checked: set[FunctionRef] = set()

    def features(self, recipe: Recipe, table: pa.Table) -> Made:
        """The features of the rows of `table`: for the second model, those that were made for the first.

        Raises:
            RecipeError: the function broke its contract. Its own exceptions pass through.
        """
        if self._kept is not None and self._kept[0] is table:
            made, self._kept = self._kept[1], None
            return made
        made = recipe.apply(table)
        if recipe.features is not None and recipe.row_wise:
            row_wise.check_quickly(recipe.features, table, made, again=recipe.features in self._checked)
            self._checked.add(recipe.features)
        if self._twice:  # a copy, because a model may modify its input
            self._kept = table, replace(made, frame=made.frame.copy())
        return made
