"""Any function over rows: DataFrame in, DataFrame out, with the account, quarantine and resume that models have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.exact import to_column
from airflow_batchscore.data.frames import to_frame
from airflow_batchscore.errors import BatchScoreError, InputError, RecipeError, ScoringError
from airflow_batchscore.model import row_wise
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.user_code import Made, as_frame, call, in_one_process
from airflow_batchscore.quality import quarantine
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.batch import BatchScorer, ScoredBatch, bad_row
from airflow_batchscore.scoring.columns import MisfitError, as_column
from airflow_batchscore.scoring.group_keys import canonical, places_of_groups

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

#: Groups that a function is tried on, to tell the types of what it gives.
_TRIED_GROUPS = 20


@dataclass(frozen=True)
class FunctionWork:
    """A function over the rows of a block, or over each group of a partition.

    Attributes:
        outputs: output column -> type name.
        group_by: columns whose values make a group; empty for blocks.
        row_wise: whether the function looks at each row alone; else it gets a partition whole.
    """

    function: FunctionRef
    function_digest: str
    outputs: tuple[tuple[str, str], ...]
    group_by: tuple[str, ...] = ()
    row_wise: bool = True

    @property
    def method(self) -> str:
        return self.function.path

    def open(self, keys: Sequence[str], limit: Limit, *, allow_nan: bool) -> BatchScorer:
        self.function.load()  # said before a row is read
        return Groups(self, limit) if self.group_by else _Rows(self, tuple(keys), limit)

    def identity(self) -> list[Any]:
        return [self.function_digest, [list(pair) for pair in self.outputs], list(self.group_by), self.row_wise]


def is_grouped(work: Any) -> bool:
    """Whether it is done to groups, which must be put together first."""
    return isinstance(work, FunctionWork) and bool(work.group_by)


@dataclass
class _Rows:
    """The function over the rows of a batch; a row that it leaves out is skipped, one that it repeats makes several."""

    work: FunctionWork
    keys: tuple[str, ...]
    limit: Limit
    _checked: bool = False

    @property
    def outputs(self) -> dict[str, str]:
        return dict(self.work.outputs)

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        import numpy as np
        import pyarrow as pa

        rows = batch.table.num_rows
        if not rows:
            return ScoredBatch(schema.empty_table(), np.array([], dtype=np.int64), 0, 0, [])
        taken, made, failed = quarantine.score_rows(
            rows,
            lambda some: self._call(batch.table if some is None else batch.table.take(pa.array(some))),
            self.limit.rows_of(rows),
            together=not self.work.row_wise,
        )
        bad = [bad_row(batch, row, error) for row, error in failed]
        if made is None:
            return ScoredBatch(schema.empty_table(), np.array([], dtype=np.int64), 0, 0, bad)
        places = made.rows if taken is None else taken[made.rows]
        keys = batch.keys.select(list(self.keys)).take(pa.array(places))
        columns = [keys.column(key) for key in self.keys]
        columns += [column_of(made.frame, f, self.work.function.path) for f in schema if f.name not in self.keys]
        scored = len(np.unique(places))
        return ScoredBatch(pa.table(columns, schema=schema), places, scored, rows - scored - len(bad), bad)

    def _call(self, table: pa.Table) -> Made:
        made = call(self.work.function, table, repeats=True)
        if self.work.row_wise:
            row_wise.check_quickly(self.work.function, table, made, again=self._checked, repeats=True)
            self._checked = True
        return made


@dataclass(frozen=True)
class Groups:
    """The function over each group of some rows, in the order of the groups' values. Groups come whole."""

    work: FunctionWork
    limit: Limit

    @property
    def outputs(self) -> dict[str, str]:
        return {name: kind for name, kind in self.work.outputs if name not in self.work.group_by}

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        """Every row of a group that gives something is scored, every row of one that gives nothing is skipped."""
        import numpy as np
        import pyarrow as pa

        path = self.work.function.path
        keys = canonical(batch.keys, self.work.group_by)
        total = batch.table.num_rows
        places = places_of_groups(keys)
        tables, bad = [], []
        scored = 0
        for rows, group in zip(places, _frames(batch.table, places), strict=True):
            try:
                with in_one_process():
                    result = self.work.function.load()(group)
                made = as_frame(result, path)
            except BatchScoreError:
                raise
            except Exception as error:  # whatever a user's function raises for a group
                bad += [bad_row(batch, int(row), error) for row in rows]
                if len(bad) > self.limit.rows_of(total):
                    raise ScoringError(
                        f"more than {self.limit.rows_of(total)} rows are in groups that fail, the last "
                        f"({_named(keys, int(rows[0]))}) with {type(error).__name__}: {error}. If single groups are "
                        "bad, raise quarantine=; if all are, the function does not fit this data"
                    ) from error
                continue
            if len(made):
                scored += len(rows)
                tables.append(self._table(keys, int(rows[0]), made, schema))
        table = pa.concat_tables(tables) if tables else schema.empty_table()
        return ScoredBatch(table, np.array([], dtype=np.int64), scored, total - scored - len(bad), bad)

    def _table(self, keys: pa.Table, first: int, made: pd.DataFrame, schema: pa.Schema) -> pa.Table:
        import pyarrow as pa

        columns = []
        for field in schema:
            if field.name in self.work.group_by:
                columns.append(pa.repeat(keys.column(field.name)[first], len(made)).cast(field.type))
            else:
                columns.append(column_of(made, field, self.work.function.path))
        return pa.table(columns, schema=schema)


def _frames(table: pa.Table, places: Sequence[np.ndarray]) -> Iterator[pd.DataFrame]:
    """The rows of each group in a frame of its own, whose types do not depend on what other groups lack."""
    import pyarrow as pa
    import pyarrow.types as pt

    def varies(column: pa.ChunkedArray) -> bool:
        return bool(column.null_count and (pt.is_boolean(column.type) or pt.is_integer(column.type)))

    # pandas makes objects of truth values and floats of whole numbers where one is missing.
    if any(map(varies, table.columns)):
        for rows in places:
            yield to_frame(table.take(pa.array(rows))).reset_index(drop=True)
        return
    frame = to_frame(table)
    for rows in places:
        yield frame.iloc[rows].reset_index(drop=True)


def _named(keys: pa.Table, row: int) -> str:
    return ", ".join(f"{name}={value}" for name, value in keys.slice(row, 1).to_pylist()[0].items())


def column_of(made: pd.DataFrame, field: pa.Field, path: str) -> pa.Array:
    """A column of a function's result in the type that it is written with.

    Raises:
        RecipeError: it is not there, or does not fit the type.
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


def output_types(
    function: FunctionRef, sample: pa.Table, group_by: Sequence[str], declared: Mapping[str, str] | None
) -> tuple[tuple[str, str], ...]:
    """Output column -> Arrow type of a function: as declared, else as it gives for `sample`.

    Raises:
        InputError: a declared type is unknown.
        RecipeError: the function raises, or gives nothing to tell a type by.
    """
    if declared:
        return tuple((name, _known(name, kind)) for name, kind in declared.items())
    hint = f"Name the columns that it gives: output_types={{'column': 'double', ...}} for {function.path}"
    try:
        made = _of_groups(function, sample, group_by) if group_by else call(function, sample, repeats=True).frame
    except BatchScoreError:
        raise
    except Exception as error:
        raise RecipeError(
            f"{function.path} raised {type(error).__name__}: {error}, when it was tried on the first "
            f"{sample.num_rows} rows. {hint}"
        ) from error
    types = {str(name): _type_name(made[name], function.path) for name in made.columns if name not in group_by}
    unclear = [name for name, kind in types.items() if not len(made) or kind == "null"]
    if unclear or not types:
        raise RecipeError(f"{function.path} gave no values in {unclear or 'any column'} for the first rows. {hint}")
    return tuple((name, _known(name, kind)) for name, kind in types.items())


def _type_name(values: pd.Series, path: str) -> str:
    """The Arrow type of a column; ``string`` for text, whichever of pandas' types it has."""
    import pyarrow as pa

    try:
        kind = to_column(values).type
    except ValueError as error:
        raise RecipeError(f"{path}: the column {values.name!r} has values of several kinds: {error}") from error
    return "string" if pa.types.is_large_string(kind) else str(kind)


def _of_groups(function: FunctionRef, sample: pa.Table, group_by: Sequence[str]) -> pd.DataFrame:
    """What a function gives for the first groups of a sample."""
    import pandas as pd

    load, made = function.load(), [pd.DataFrame()]
    for group in _frames(sample, places_of_groups(canonical(sample, group_by))[:_TRIED_GROUPS]):
        with in_one_process():
            made.append(as_frame(load(group), function.path))
    return pd.concat(made)


def try_rows(function: FunctionRef, sample: pa.Table) -> None:
    """Raises RecipeError when a function over rows does not look at each row of the sample alone.

    Rows that make it raise are another matter: they are found when it is their turn.
    """
    try:
        made = call(function, sample, repeats=True)
    except BatchScoreError:
        raise
    except Exception:
        return
    row_wise.check(function, sample, made, repeats=True)


def _known(name: str, kind: str) -> str:
    import pyarrow as pa

    try:
        return str(pa.type_for_alias(str(kind)))
    except ValueError:
        raise InputError(
            f"the output column {name!r} has the type {kind!r}; columns can be double, int64, bool, string, "
            "timestamp[us] and the like. Convert it in the function"
        ) from None
