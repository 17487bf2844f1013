"""The rows a model is trained and measured on. Read as scoring reads them, so that both see the same types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.blocks import Block, cut, read, require_columns
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.errors import BatchScoreError, InputError, RecipeError
from airflow_batchscore.model.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

#: Rows that are read at once, also where all of them are kept.
BLOCK_ROWS = 1_000_000


@dataclass(frozen=True)
class Rows:
    """Features and labels of some partitions."""

    features: pd.DataFrame
    labels: pd.Series | None
    read: int = field(default=0)


def columns_to_read(recipe: Recipe) -> list[str] | None:
    """None for all: a target function may look at any column."""
    if recipe.columns is None or recipe.target is not None:
        return None
    label = [recipe.target_column] if recipe.target_column else []
    return list(dict.fromkeys([*recipe.columns, *recipe.keys, *label]))


def required_columns(recipe: Recipe) -> list[str]:
    """Columns that every training file must have."""
    return [*(recipe.columns or ()), *([recipe.target_column] if recipe.target_column else ())]


def read_rows(
    dataset: PartitionedDataset, recipe: Recipe, partitions: Sequence[Partition], types: Mapping[str, str | None]
) -> Rows:
    """Features and labels of whole partitions.

    Raises:
        InputError: a row cannot be parsed, or there is none.
        RecipeError: the recipe fails, or skips every row.
    """
    raw = read_raw(dataset, partitions, types)
    rows = make_rows(recipe, raw, types)
    if rows.features.empty:
        keys = ", ".join(partition.key for partition in partitions)
        raise RecipeError(f"partition {keys}: the recipe skipped all {len(raw)} rows, there is nothing to train on")
    return rows


def read_raw(
    dataset: PartitionedDataset, partitions: Sequence[Partition], types: Mapping[str, str | None]
) -> pd.DataFrame:
    """The rows of whole partitions as they are. Raises InputError: a row cannot be parsed, or there is none."""
    import pandas as pd

    frames = [
        frame
        for partition, block in blocks_of(dataset, partitions, BLOCK_ROWS)
        for frame in read_block(dataset, partition.key, block, types)
    ]
    if not sum(map(len, frames)):
        keys = ", ".join(partition.key for partition in partitions)
        raise InputError(f"partition {keys}: no rows to train on, the files hold a header only")
    return pd.concat(frames, ignore_index=True)


def blocks_of(
    dataset: PartitionedDataset, partitions: Sequence[Partition], block_rows: int
) -> list[tuple[Partition, Block]]:
    """The blocks of partitions, in order."""
    return [(partition, block) for partition in partitions for block in cut(dataset, partition, block_rows=block_rows)]


def read_block(
    dataset: PartitionedDataset, partition_key: str, block: Block, types: Mapping[str, str | None]
) -> list[pd.DataFrame]:
    """The rows of a block in one frame; none when it has no row. Raises InputError like `read_raw`."""
    import pyarrow as pa

    require_columns(block.source, list(types), partition_key=partition_key)
    tables = []
    for batch in read(dataset, block, types):
        if batch.bad:
            row = batch.bad[0]
            raise InputError(
                f"partition {partition_key}: {block.name if block.index else block.source.uri}, row {row.position}: "
                f"{row.message}. "
                "Training takes whole files only: mend the row, or train on another partition"
            )
        tables.append(batch.table)
    return [pa.concat_tables(tables).to_pandas()] if tables else []


def read_texts(dataset: PartitionedDataset, partitions: Sequence[Partition], column: str) -> list[str]:
    """What names a model for each row of whole partitions: the text of `column`, empty where it is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types = {column: dataset.column_types.get(column)}
    texts: list[str] = []
    for _, block in blocks_of(dataset, partitions, BLOCK_ROWS):
        for batch in read(dataset, block, {}, types):
            texts += pc.fill_null(batch.keys.column(column).cast(pa.string()), "").to_pylist()
    return texts


def make_rows(recipe: Recipe, raw: pd.DataFrame, types: Mapping[str, str | None]) -> Rows:
    """Features and labels of raw rows, without those that the recipe drops and those whose label is missing.

    Raises RecipeError: a function of the recipe fails.
    """
    try:
        if recipe.features is not None:
            features = recipe.apply(raw)
        elif recipe.columns is not None:
            features = raw[list(recipe.columns)]
        else:
            numbers = raw.select_dtypes(["number", "bool"])
            features = numbers[[name for name in numbers if name not in (*recipe.keys, recipe.target_column)]]
        labels = raw[recipe.target_column] if recipe.target_column else None
        if recipe.target is not None:
            labels = recipe.target.load()(raw)
    except BatchScoreError:
        raise
    except Exception as error:
        raise RecipeError(f"the recipe failed on the training rows: {type(error).__name__}: {error}") from error
    if labels is not None:
        known = labels.reindex(features.index).dropna().index
        # Taken from what the recipe gave: reindexing makes whole numbers and truth values something else.
        features, labels = features.loc[known], labels.loc[known]
        if types.get(recipe.target_column or "") == "int64":
            labels = labels.astype("int64")
    return Rows(features, labels, read=len(raw))


def split(
    dataset: PartitionedDataset, recipe: Recipe, holdout: Any, rows: Rows, types: Mapping[str, str | None]
) -> tuple[Rows, Rows, str]:
    """Rows to fit on, rows to measure on, and how to call the latter.

    Args:
        holdout: a share of the rows, partitions, or None.
    """
    share = as_share(holdout)
    if holdout in (None, ""):
        return rows, rows, "training rows"
    if share is None:
        keys = ", ".join(partition.key for partition in holdout)
        return rows, read_rows(dataset, recipe, holdout, types), f"held-out {keys}"
    from sklearn.model_selection import train_test_split

    fit, test = train_test_split(rows.features.index, test_size=share, random_state=0)

    def take(index: pd.Index) -> Rows:
        index = index.sort_values()
        return Rows(rows.features.loc[index], rows.labels.loc[index] if rows.labels is not None else None, rows.read)

    return take(fit), take(test), f"held-out {share:.0%} of the rows"


def as_share(holdout: Any) -> float | None:
    """The share of the rows that is held out; None where `holdout` names partitions."""
    try:
        share = float(holdout)
    except (TypeError, ValueError):
        return None
    return share if 0 < share < 1 else None
