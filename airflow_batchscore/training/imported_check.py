"""Checks an imported model against predictions it made where it was trained: it must return the same here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.casting import cast_columns
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.taken_for_text import taken_for_text
from airflow_batchscore.errors import BatchScoreError, InputError, ModelError, RecipeError, listed, said
from airflow_batchscore.model.columns import columns_of
from airflow_batchscore.model.features import as_fitted, text_note
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.user_code import result_of
from airflow_batchscore.training.rows import features_of, missing_column, read_raw
from airflow_batchscore.training.saved import save_and_load

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_batchscore.model.flavors import Flavor

EXPECTED = "expected"
_RELATIVE = 1e-5

Check = str | Sequence[Mapping[str, Any]]


def check_predictions(
    estimator: object,
    recipe: Recipe,
    check: Check,
    dataset: PartitionedDataset,
    types: Mapping[str, str | None],
    kind: Flavor | None = None,
) -> int:
    """Run a model on rows as scoring would, and compare the output of ``predict`` with the expected values.

    Args:
        check: rows as dicts, or the URI of a file with them; the column ``expected`` contains the predictions.
        dataset: how the file is read.
        types: of the raw columns, as found in the dataset.
        kind: flavour the model will be saved in, then reloaded for the check. None if it was loaded in that flavour.

    Returns:
        The number of rows.

    Raises:
        InputError: a row lacks a column, or there are no rows.
        ModelError: a prediction differs (names the rows), there is none to compare, or saving as `kind` is lossy.
    """
    wanted = {name: types[name] for name in recipe.inputs(types)}
    table = _read(check, dataset, wanted) if isinstance(check, str) else _given(check, wanted)
    try:
        made = features_of(recipe, table.select(list(wanted)))
    except BatchScoreError:
        raise
    except Exception as error:
        hint = missing_column(recipe, error, dataset) or taken_for_text(dataset, table, error)
        raise RecipeError(f"the recipe failed on the rows of check=: {said(error)}{hint}") from error
    if not len(made.rows):
        raise ModelError(
            f"the recipe leaves out all {table.num_rows} rows of check=, so that nothing was compared. Nothing was "
            "saved. Give rows that it keeps, with what the model predicted for them"
        )
    inputs = as_fitted(estimator, made.frame)
    if kind is not None:
        estimator = save_and_load(estimator, kind, inputs).estimator
    try:
        values = result_of(estimator, "predict", inputs.copy())
    except Exception as error:
        note = text_note(made.frame, error)
        raise ModelError(f"predict failed on the rows of check=: {type(error).__name__}: {error}{note}") from error
    (column, *more) = columns_of(estimator, values, "predict")
    if more:
        raise ModelError(f"check: predict gives {1 + len(more)} columns; a model of one output can be checked")
    predictions: list[object] = [None] * table.num_rows
    for row, value in zip(made.rows.tolist(), column.values.tolist(), strict=True):
        predictions[row] = value
    expected = table.column(EXPECTED).to_pylist()
    wrong = [row for row, pair in enumerate(zip(predictions, expected, strict=True)) if not _same(*pair)]
    if wrong:
        first = listed((f"row {row}: {predictions[row]}, expected {expected[row]}" for row in wrong), "; ")
        raise ModelError(
            f"the model gives something else here than where it was made for {len(wrong)} of {len(predictions)} "
            f"rows of check=: {first}. Nothing was saved. Usual reasons: features that are not those of the script, "
            "another order of columns, missing values that were filled in otherwise, other types, another version of "
            "the library"
        )
    return len(predictions)


def _read(uri: str, dataset: PartitionedDataset, types: Mapping[str, str | None]) -> pa.Table:
    file = storage.stat(Location(uri, dataset.conn_id))
    if file is None:
        raise InputError(
            f"check={uri!r} does not exist; give the URI of a file in a supported format, or rows as dicts"
        )
    partition = Partition({"check": uri}, (file,))
    try:
        return read_raw(dataset, [partition], {**types, EXPECTED: None})
    except InputError as error:
        raise type(error)(str(error).replace(f"partition {partition.key}: ", f"check={uri}: ")) from error


def _given(rows: Sequence[Mapping[str, object]], types: Mapping[str, str | None]) -> pa.Table:
    import pyarrow as pa

    names = [*types, EXPECTED]
    missing = sorted({name for row in rows for name in names if name not in row})
    if missing or not rows:
        raise InputError(f"check: {f'rows lack the columns {missing}' if rows else 'there is no row'}; needed: {names}")
    try:
        columns = {name: pa.array([row[name] for row in rows], from_pandas=True) for name in names}
    except (pa.ArrowException, TypeError) as error:
        raise InputError(f"check: a column has values of several kinds: {error}") from error
    expected = columns.pop(EXPECTED)
    return cast_columns(pa.table(columns), dict(types), "check").append_column(EXPECTED, expected)


def _same(prediction: object, expected: object) -> bool:
    import math

    if isinstance(prediction, str):  # a label: "007" and "7" differ
        return expected is not None and prediction == str(expected)

    def number(value: Any) -> float | None:
        try:
            return math.nan if value is None else float(value)
        except (TypeError, ValueError):
            return None

    got, want = number(prediction), number(expected)
    if got is None or want is None:
        return str(prediction) == str(expected)
    return (math.isnan(got) and math.isnan(want)) or math.isclose(got, want, rel_tol=_RELATIVE, abs_tol=1e-9)
