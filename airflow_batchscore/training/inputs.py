"""What a model is trained on: how raw rows are read, and the recipe that makes features and labels of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.formats.base import Dtypes
from airflow_batchscore.data.inferred_types import infer_types, reading_types
from airflow_batchscore.data.notebook import notebook_types
from airflow_batchscore.data.virtual import virtual_names
from airflow_batchscore.model.recipe import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingInput:
    """How the rows of any partition are read and prepared.

    Attributes:
        types: columns to read, with the types to read them as.
        notebook: columns that have another type in a notebook; the recipe must return the same for both.
    """

    dataset: PartitionedDataset
    recipe: Recipe
    types: Mapping[str, str | None]
    notebook: Dtypes = field(default_factory=dict)


def recipe_columns(recipe: Recipe) -> list[str] | None:
    """None for all: a target function may use any column. Keys are not read, as the recipe does not receive them."""
    if recipe.columns is None or recipe.target is not None:
        return None
    return list(dict.fromkeys([*recipe.columns, *_label(recipe)]))


def look_at_columns(
    dataset: PartitionedDataset, recipe: Recipe, partitions: Sequence[Partition], extra: Sequence[str] = ()
) -> tuple[dict[str, str | None], TrainingInput]:
    """The columns of the partitions with their types as found, and how they are read.

    Args:
        extra: columns to read in addition to the recipe's.

    Raises InputError if a file or column is missing or cannot be read.
    """
    wanted = recipe_columns(recipe)
    columns = None if wanted is None else list(dict.fromkeys([*wanted, *recipe.keys, *extra]))
    raw = infer_types(dataset, partitions, columns, [*(recipe.columns or ()), *_label(recipe), *extra])
    # Keys may be missing here and only come with later data.
    present = {*raw, *virtual_names(dataset)}
    if missing := [name for name in recipe.keys if name not in present]:
        log.warning(
            "%s: the files to train or measure on do not have the columns %s of keys=. A partition that does not have "
            "them either cannot be scored",
            dataset.uri,
            missing,
        )
    whole = [name for name in (*recipe.keys, *_label(recipe), *extra) if name in raw]
    read = raw if wanted is None else dict.fromkeys([*wanted, *extra])
    types = reading_types(dataset.column_types, raw, read, whole)
    return raw, TrainingInput(dataset, recipe, types, notebook_types(dataset, partitions, raw, types))


def _label(recipe: Recipe) -> list[str]:
    return [recipe.target_column] if recipe.target_column else []
