"""The rows a model is trained and measured on, read as scoring reads them so that both see the same types."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.amounts import number_of
from airflow_batchscore.data.blocks import cut, read, require_columns
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.formats.text_types import OTHER_ENCODING
from airflow_batchscore.data.frames import to_frame
from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.data.taken_for_text import taken_for_text
from airflow_batchscore.data.virtual import virtual_names
from airflow_batchscore.errors import BatchScoreError, InputError, RecipeError
from airflow_batchscore.model import row_wise, same_types
from airflow_batchscore.model.model_names import model_names
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.same_types import Pair
from airflow_batchscore.model.user_code import Made, call
from airflow_batchscore.training.inputs import TrainingInput

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from airflow_batchscore.data.batch import Batch

log = logging.getLogger(__name__)

#: Number of rows read at once, even if all of them are kept.
BLOCK_ROWS = 1_000_000


@dataclass(frozen=True)
class Rows:
    """Features and labels of some partitions.

    Attributes:
        pair: features of some of the rows, here and in a notebook; None if the types are the same.
        unlabelled: number of rows with features but no label.
    """

    features: pd.DataFrame
    labels: pd.Series | None
    read: int = field(default=0)
    pair: Pair | None = field(default=None)
    unlabelled: int = field(default=0)


def read_rows(source: TrainingInput, partitions: Sequence[Partition]) -> Rows:
    """Read features and labels of whole partitions.

    Raises:
        InputError: a row cannot be parsed, or there are no rows.
        RecipeError: the recipe fails, does not treat each row independently, or skips every row.
    """
    groups = [list(partitions)] if source.recipe.row_wise else [[partition] for partition in partitions]
    tables = [table for group in groups if (table := _read(source.dataset, group, source.types)) is not None]
    rows = _joined([make_rows(source, _not_empty(table, partitions)) for table in tables or [None]])
    if rows.features.empty:
        keys = ", ".join(partition.key for partition in partitions)
        skipped = rows.read - rows.unlabelled
        why = f"the recipe skipped {'all ' if skipped == rows.read else ''}{skipped} rows" if skipped else ""
        none = f"{'all ' if not skipped else ''}{rows.unlabelled} rows have no label" if rows.unlabelled else ""
        raise RecipeError(
            f"partition {keys}: {' and '.join(filter(None, (why, none)))}, so that there is nothing to train on"
        )
    return rows


def read_held_out(source: TrainingInput, partitions: Sequence[Partition]) -> Rows:
    """`read_rows` to measure on: what a notebook reads was compared on the training rows."""
    return read_rows(replace(source, notebook={}), partitions)


def read_raw(dataset: PartitionedDataset, partitions: Sequence[Partition], types: Mapping[str, str | None]) -> pa.Table:
    """The unprocessed rows of whole partitions. Raises InputError if a row cannot be parsed or there are none."""
    return _not_empty(_read(dataset, partitions, types), partitions)


def _not_empty(table: pa.Table | None, partitions: Sequence[Partition]) -> pa.Table:
    if table is None:
        keys = ", ".join(partition.key for partition in partitions)
        by = partitions[0].by if partitions else ()
        hint = f", {NO_VALUE} has the rows whose value {' and '.join(by)} cannot divide" if by else ""
        raise InputError(f"partition {keys}: no rows to train on{hint}")
    return table


def _read(
    dataset: PartitionedDataset, partitions: Sequence[Partition], types: Mapping[str, str | None]
) -> pa.Table | None:
    """None if there are no rows."""
    import pyarrow as pa

    tables = [
        table
        for partition, block in blocks_of(dataset, partitions, BLOCK_ROWS, list(types))
        if (table := read_block(dataset, partition.key, block, types)) is not None
    ]
    try:
        return pa.concat_tables(tables, promote_options="permissive") if tables else None
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        keys = ", ".join(partition.key for partition in partitions)
        raise InputError(f"partition {keys}: a column has types that do not go together: {error}") from error


def _joined(parts: Sequence[Rows]) -> Rows:
    import pandas as pd

    if len(parts) == 1:
        return parts[0]
    labels = [part.labels for part in parts if part.labels is not None]
    return Rows(
        pd.concat([part.features for part in parts], ignore_index=True),
        pd.concat(labels, ignore_index=True) if labels else None,
        sum(part.read for part in parts),
        next((part.pair for part in parts if part.pair is not None), None),
        sum(part.unlabelled for part in parts),
    )


def blocks_of(
    dataset: PartitionedDataset, partitions: Sequence[Partition], block_rows: int, columns: Sequence[str]
) -> list[tuple[Partition, Block]]:
    """The blocks of partitions, in order, of which `columns` will be read."""
    return [
        (partition, block)
        for partition in partitions
        for block in cut(dataset, partition, block_rows=block_rows, columns=columns)
    ]


def read_block(
    dataset: PartitionedDataset, partition_key: str, block: Block, types: Mapping[str, str | None]
) -> pa.Table | None:
    """The rows of a block; None if it has none. Raises InputError like `read_raw`."""
    import pyarrow as pa

    require_columns(block.source, list(types), partition_key=partition_key)
    tables, padded = [], 0
    for batch in read(dataset, block, types):
        _require_whole(batch, partition_key, block)
        tables.append(batch.table)
        padded += batch.padded
    if padded:
        log.warning(
            "partition %s, %s: %s had fewer cells than the header; those left off were taken as empty",
            partition_key,
            block.name,
            number_of(padded, "row"),
        )
    whole = pa.concat_tables(tables) if tables else None
    return whole if whole is not None and whole.num_rows else None


def _require_whole(batch: Batch, partition_key: str, block: Block) -> None:
    if batch.bad:
        row = batch.bad[0]
        where = f"{block.name if block.index else block.source.uri}, row {row.position}"
        cure = ". Training takes whole files only: fix the row, or train on another partition"
        if OTHER_ENCODING in row.message:  # which is of many rows
            cure = ""
        raise InputError(f"partition {partition_key}: {where}: {row.message}{cure}")


def read_texts(dataset: PartitionedDataset, partitions: Sequence[Partition], column: str) -> list[str]:
    """The model name for each row of whole partitions, as scoring determines it. Raises InputError like `read_raw`."""
    types = {column: dataset.column_types.get(column)}
    texts: list[str] = []
    for partition, block in blocks_of(dataset, partitions, BLOCK_ROWS, [column]):
        for batch in read(dataset, block, {}, types):
            _require_whole(batch, partition.key, block)
            texts += model_names(batch.keys.column(column), column).to_pylist()
    return texts


def make_rows(source: TrainingInput, table: pa.Table) -> Rows:
    """Features and labels of raw rows, without rows that the recipe drops or whose label is missing.

    Their index counts from 0.

    Raises RecipeError if a function of the recipe fails, does not treat each row independently, or returns something
    else for the types that a notebook reads.
    """
    recipe, dtypes = source.recipe, source.notebook
    try:
        made = features_of(recipe, table.select(recipe.inputs(table.column_names)))
        labels = _labels(recipe, table)
    except BatchScoreError:
        raise
    except Exception as error:
        hint = missing_column(recipe, error, source.dataset) or taken_for_text(source.dataset, table, error)
        hint = hint or same_types.cure_of(recipe, table, dtypes)
        raise RecipeError(f"the recipe failed on the training rows: {type(error).__name__}: {error}{hint}") from error
    pair = same_types.check_recipe(recipe, table, list(made.frame.columns), dtypes)
    if labels is None:
        return Rows(made.frame, None, read=table.num_rows, pair=pair)
    features = made.frame.set_index(made.rows)
    known = labels.dropna().index.intersection(features.index)
    unlabelled = len(features) - len(known)
    # Selected from the recipe's results: reindexing would change the type of integers and Booleans.
    features, labels = features.loc[known].reset_index(drop=True), labels.loc[known].reset_index(drop=True)
    if source.types.get(recipe.target_column or "") == "int64":
        labels = labels.astype("int64")
    return Rows(features, labels, read=table.num_rows, pair=pair, unlabelled=unlabelled)


def missing_column(recipe: Recipe, error: Exception, dataset: PartitionedDataset) -> str:
    """What to do if a function of the recipe looked for a column that it does not get; empty for other errors."""
    target = recipe.target_column
    if recipe.features is None or not isinstance(error, KeyError):
        return ""
    if recipe.columns is not None:
        return f". If this is a column of the data, name it, too: Recipe(columns={list(recipe.columns)}) is all it gets"
    if error.args and error.args[0] in virtual_names(dataset):
        name = error.args[0]
        return f". {name!r} is no column of the files, but the data set has it: Recipe(columns=[..., {name!r}])"
    if target is None:
        return ""
    return (
        f". The target {target!r} is withheld from features, as what is to be scored does not have it"
        if repr(target) in str(error)
        else ""
    )


def features_of(recipe: Recipe, inputs: pa.Table) -> Made:
    """The features of `Recipe.inputs`. Raises RecipeError if the recipe does not treat each row independently."""
    import pyarrow.types as pt

    made = recipe.apply(inputs)
    if recipe.features is not None:
        if recipe.row_wise:
            row_wise.check(recipe.features, inputs, made)
        return made
    if recipe.columns is None:
        numbers = made.frame.select_dtypes(["number", "bool"])
        left_out = {*recipe.keys, *(field.name for field in inputs.schema if pt.is_null(field.type))}
        return replace(made, frame=numbers[[name for name in numbers if name not in left_out]])
    return made


def _labels(recipe: Recipe, table: pa.Table) -> Any:
    """The labels (a Series, or a DataFrame for several), indexed by row number; None without a target."""
    if recipe.target is not None:
        made = call(recipe.target, table)
        labels = made.frame.set_index(made.rows)
        return labels.iloc[:, 0] if labels.shape[1] == 1 else labels
    if recipe.target_column is not None:
        return to_frame(table.select([recipe.target_column]))[recipe.target_column]
    return None


def split(source: TrainingInput, holdout: Any, rows: Rows) -> tuple[Rows, Rows, str]:
    """Rows to fit on, rows to measure on, and a description of the latter.

    Args:
        holdout: a share of the rows, partitions, or None.
    """
    share = as_share(holdout)
    if holdout in (None, ""):
        return rows, rows, "training rows"
    if share is None:
        keys = ", ".join(partition.key for partition in holdout)
        return rows, read_held_out(source, holdout), f"held-out {keys}"
    from sklearn.model_selection import train_test_split

    fit, test = train_test_split(rows.features.index, test_size=share, random_state=0)

    def take(index: pd.Index) -> Rows:
        index = index.sort_values()
        labels = rows.labels.loc[index] if rows.labels is not None else None
        return Rows(rows.features.loc[index], labels, rows.read, rows.pair)

    return take(fit), take(test), f"held-out {share:.0%} of the rows"


def as_share(holdout: Any) -> float | None:
    """The share of the rows that is held out; None if `holdout` names partitions."""
    try:
        share = float(holdout)
    except (TypeError, ValueError):
        return None
    return share if 0 < share < 1 else None
