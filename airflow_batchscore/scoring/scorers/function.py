"""Any function over rows: DataFrame in, DataFrame out, with the account, quarantine and resume that models have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.frames import to_frame
from airflow_batchscore.errors import BatchScoreError, RecipeError, ScoringError, said
from airflow_batchscore.model import row_wise
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.user_code import Made, call, in_one_process
from airflow_batchscore.quality import quarantine
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.group_keys import canonical, places_of_groups
from airflow_batchscore.scoring.scorers.columns import MisfitError, as_column
from airflow_batchscore.scoring.scorers.results import bad_row, named_by_text, of_group
from airflow_batchscore.scoring.scorers.scorer import BatchRules, BatchScorer, ScoredBatch
from airflow_batchscore.scoring.scorers.specs import Unit

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class FunctionSpec:
    """A function over the rows of a block, or over each group of a partition.

    Attributes:
        outputs: output column -> type name.
        group_by: columns whose values make a group; empty for blocks.
        row_wise: whether the function treats each row independently; otherwise it gets a whole partition.
        declared: whether the user named the outputs: other columns that the function returns are then dropped.
    """

    function: FunctionRef
    function_digest: str
    outputs: tuple[tuple[str, str], ...]
    group_by: tuple[str, ...] = ()
    row_wise: bool = True
    declared: bool = False

    @property
    def unit(self) -> Unit:
        return "group" if self.group_by else "block" if self.row_wise else "partition"

    @property
    def method(self) -> str:
        return self.function.path

    def open(self, rules: BatchRules) -> BatchScorer:
        self.function.load()  # fails before a row is read
        return Groups(self, rules.limit) if self.group_by else _Rows(self, rules)

    def identity(self) -> list[object]:
        outputs = [list(pair) for pair in self.outputs]
        return [self.function_digest, outputs, list(self.group_by), self.row_wise, self.declared]

    def require_known(self, made: pd.DataFrame) -> None:
        """Raises RecipeError for a column that the function did not return in its trial, unless `declared`."""
        known = {*self.group_by, *(name for name, _ in self.outputs)}
        new = [name for name in made.columns if name not in known]
        if new and not self.declared:
            types = dict(self.outputs) | dict.fromkeys(new, "...")
            raise RecipeError(
                f"{self.function.path} gave the columns {new} here, which it did not give for the first rows of the "
                f"partition, so that they have no place in the output. Name all columns that count: "
                f"output_types={types}; others are then left out"
            )


@dataclass
class _Rows:
    """The function over the rows of a batch; a row that it drops is skipped, one that it repeats gives several."""

    spec: FunctionSpec
    rules: BatchRules
    _checked: bool = False

    @property
    def outputs(self) -> dict[str, str]:
        return dict(self.spec.outputs)

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        import numpy as np
        import pyarrow as pa

        rows = batch.table.num_rows
        if not rows:
            return ScoredBatch.empty(schema)
        taken, made, failed = quarantine.score_rows(
            batch.table,
            self._call,
            self.rules.limit.rows_of(rows),
            together=not self.spec.row_wise,
        )
        bad = [bad_row(batch, row, error) for row, error in failed]
        if made is None:
            return ScoredBatch.empty(schema, failed=bad)
        self.spec.require_known(made.frame)
        places = made.rows if taken is None else taken[made.rows]
        keys = batch.keys.select(list(self.rules.keys)).take(pa.array(places))
        columns = [keys.column(key) for key in self.rules.keys]
        columns += [column_of(made.frame, f, self.spec.function.path) for f in schema if f.name not in self.rules.keys]
        scored = len(np.unique(places))
        return ScoredBatch(pa.table(columns, schema=schema), places, scored, rows - scored - len(bad), bad)

    def _call(self, table: pa.Table) -> Made:
        made = call(self.spec.function, table, repeats=True)
        if self.spec.row_wise:
            row_wise.check_quickly(self.spec.function, table, made, again=self._checked, repeats=True)
            self._checked = True
        return replace(made, frame=named_by_text(made.frame, self.spec.function.path))


@dataclass(frozen=True)
class Groups:
    """The function over each group of some rows, in the order of the groups' values. Groups are complete."""

    spec: FunctionSpec
    limit: Limit

    @property
    def outputs(self) -> dict[str, str]:
        return {name: kind for name, kind in self.spec.outputs if name not in self.spec.group_by}

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        """Every row of a group that returns something is scored, every row of one that returns nothing is skipped."""
        import numpy as np
        import pyarrow as pa

        path, function = self.spec.function.path, self.spec.function.load()
        keys = canonical(batch.keys, self.spec.group_by)
        total = batch.table.num_rows
        places = places_of_groups(keys)
        tables, bad = [], []
        scored = 0
        for rows, group in zip(places, frames_of(batch.table, places), strict=True):
            try:
                with in_one_process():
                    result = function(group)
                made = of_group(result, path)
            except BatchScoreError:
                raise
            except Exception as error:  # a user's function may raise anything for a group
                bad += [bad_row(batch, int(row), error) for row in rows]
                if len(bad) > self.limit.rows_of(total):
                    raise ScoringError(
                        f"more than {self.limit.rows_of(total)} rows are in groups that fail, the last "
                        f"({_named(keys, int(rows[0]))}) with {said(error)}. If single groups are "
                        "bad, raise quarantine=; if all are, the function does not fit this data"
                    ) from error
                continue
            if len(made):
                self.spec.require_known(made)
                scored += len(rows)
                tables.append(self._table(keys, int(rows[0]), made, schema))
        table = pa.concat_tables(tables) if tables else schema.empty_table()
        return ScoredBatch(table, np.array([], dtype=np.int64), scored, total - scored - len(bad), bad)

    def _table(self, keys: pa.Table, first: int, made: pd.DataFrame, schema: pa.Schema) -> pa.Table:
        import pyarrow as pa

        columns = []
        for field in schema:
            if field.name in self.spec.group_by:
                columns.append(pa.repeat(keys.column(field.name)[first], len(made)).cast(field.type))
            else:
                columns.append(column_of(made, field, self.spec.function.path))
        return pa.table(columns, schema=schema)


def frames_of(table: pa.Table, places: Sequence[np.ndarray]) -> Iterator[pd.DataFrame]:
    """The rows of each group in its own frame, whose types do not depend on what other groups lack."""
    import pyarrow as pa
    import pyarrow.types as pt

    def varies(column: pa.ChunkedArray) -> bool:
        return bool(column.null_count and (pt.is_boolean(column.type) or pt.is_integer(column.type)))

    # pandas turns booleans into objects and integers into floats if one is missing.
    if any(map(varies, table.columns)):
        for rows in places:
            yield to_frame(table.take(pa.array(rows)))
        return
    frame = to_frame(table)
    for rows in places:
        yield frame.iloc[rows].reset_index(drop=True)


def _named(keys: pa.Table, row: int) -> str:
    return ", ".join(f"{name}={value}" for name, value in keys.slice(row, 1).to_pylist()[0].items())


def column_of(made: pd.DataFrame, field: pa.Field, path: str) -> pa.Array:
    """A column of a function's result in its output type.

    Raises:
        RecipeError: it is missing, or does not fit the type.
    """
    if field.name not in made.columns:
        raise RecipeError(
            f"{path} gave the columns {list(made.columns)} here, without {field.name!r}; it must give the same ones "
            "each time (output_types names them)"
        )
    try:
        return as_column(made[field.name], field.type)
    except MisfitError as error:
        raise RecipeError(
            f"{path}: the column {field.name!r} does not fit {field.type}, which it had in the first rows or in "
            f"output_types: {error}. Give one kind of value each time (astype), or say its type in "
            f"output_types={{{field.name!r}: ...}}"
        ) from error
