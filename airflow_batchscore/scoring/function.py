"""Any function over rows: DataFrame in, DataFrame out, with the account, quarantine and resume that models have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.exact import to_column
from airflow_batchscore.errors import BatchScoreError, InputError, RecipeError, ScoringError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.quality import quarantine
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.batch import BatchScorer, ScoredBatch, as_column, bad_row

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class FunctionWork:
    """A function over the rows of a block, or over each group of a partition.

    Attributes:
        outputs: output column -> type name.
        group_by: columns whose values make a group; empty for blocks.
    """

    function: FunctionRef
    function_digest: str
    outputs: tuple[tuple[str, str], ...]
    group_by: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        return self.function.path

    def open(self, keys: Sequence[str], limit: Limit, *, allow_nan: bool) -> BatchScorer:
        self.function.load()  # said before a row is read
        return _Rows(self, tuple(keys), limit)

    def identity(self) -> list[Any]:
        return [self.function_digest, [list(pair) for pair in self.outputs], list(self.group_by)]


def is_grouped(work: Any) -> bool:
    """Whether it is done to groups, which must be put together first."""
    return isinstance(work, FunctionWork) and bool(work.group_by)


@dataclass(frozen=True)
class _Rows:
    """The function over the rows of a batch; a row that it leaves out is skipped, one that it repeats makes several."""

    work: FunctionWork
    keys: tuple[str, ...]
    limit: Limit

    @property
    def outputs(self) -> dict[str, str]:
        return dict(self.work.outputs)

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        import numpy as np
        import pyarrow as pa

        rows = batch.table.num_rows
        if not rows:
            return ScoredBatch(schema.empty_table(), np.array([], dtype=np.int64), 0, 0, [])
        frame = batch.table.to_pandas()
        done, failed = quarantine.score_rows(frame, self._call, self.limit.rows_of(rows))
        tables, places = [], []
        for start, (numbers, made) in done:
            here = start + numbers
            taken = batch.keys.select(list(self.keys)).take(pa.array(here))
            columns = [taken.column(key) for key in self.keys]
            columns += [column_of(made, f, self.work.function.path) for f in schema if f.name not in self.keys]
            tables.append(pa.table(columns, schema=schema))
            places.append(here)
        found = np.concatenate(places) if places else np.array([], dtype=np.int64)
        scored = len(np.unique(found))
        table = pa.concat_tables(tables) if tables else schema.empty_table()
        bad = [bad_row(batch, row, error) for row, error in failed]
        return ScoredBatch(table, found, scored, rows - scored - len(bad), bad)

    def _call(self, frame: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
        """What the function makes of rows whose index is 0 to n-1, and the row that each of its rows comes from."""
        import numpy as np

        made = frame_of(self.work.function.load()(frame), self.work.function.path)
        numbers = made.index.to_numpy()
        if len(made) and (
            made.index.dtype.kind not in "iu"
            or numbers[0] < 0
            or numbers[-1] >= len(frame)
            or (np.diff(numbers) < 0).any()
        ):
            raise RecipeError(
                f"{self.work.function.path} changed the index: it may drop rows and make several of one, but must keep "
                "the index and its order, so that every row is accounted for"
            )
        return numbers.astype(np.int64), made


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

        group_by, path = list(self.work.group_by), self.work.function.path
        frame = batch.table.to_pandas()
        tables, bad = [], []
        scored = 0
        for rows in _places(frame, group_by):
            try:
                made = frame_of(self.work.function.load()(frame.iloc[rows].reset_index(drop=True)), path)
            except BatchScoreError:
                raise
            except Exception as error:  # whatever a user's function raises for a group
                bad += [bad_row(batch, int(row), error) for row in rows]
                if len(bad) > self.limit.rows_of(len(frame)):
                    raise ScoringError(
                        f"more than {self.limit.rows_of(len(frame))} rows are in groups that fail, the last "
                        f"({_named(frame, group_by, rows)}) with {type(error).__name__}: {error}. If single groups are "
                        "bad, raise quarantine=; if all are, the function does not fit this data"
                    ) from error
                continue
            if len(made):
                scored += len(rows)
                tables.append(self._table(batch.keys, int(rows[0]), made, schema))
        table = pa.concat_tables(tables) if tables else schema.empty_table()
        return ScoredBatch(table, np.array([], dtype=np.int64), scored, len(frame) - scored - len(bad), bad)

    def _table(self, keys: pa.Table, first: int, made: pd.DataFrame, schema: pa.Schema) -> pa.Table:
        import pyarrow as pa

        columns = []
        for field in schema:
            if field.name in self.work.group_by:
                columns.append(pa.repeat(keys.column(field.name)[first], len(made)))
            else:
                columns.append(column_of(made, field, self.work.function.path))
        return pa.table(columns, schema=schema)


def _places(frame: pd.DataFrame, group_by: Sequence[str]) -> list[np.ndarray]:
    """Row numbers of each group, a missing value being a value; groups in the order of their values."""
    import numpy as np

    if not len(frame):
        return []
    numbers = frame.groupby(list(group_by), sort=True, dropna=False, observed=True).ngroup().to_numpy()
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)


def _named(frame: pd.DataFrame, group_by: Sequence[str], rows: np.ndarray) -> str:
    return ", ".join(f"{name}={frame[name].iloc[rows[0]]}" for name in group_by)


def frame_of(made: Any, path: str) -> pd.DataFrame:
    """What a function returned, as a DataFrame. Raises RecipeError when it is something else."""
    import pandas as pd

    if isinstance(made, pd.Series):
        made = made.to_frame()
    if not isinstance(made, pd.DataFrame):
        raise RecipeError(f"{path} returned {type(made).__name__}; a function over rows returns a DataFrame")
    return made


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
        return as_column({field.name: made[field.name]}, field)
    except ValueError as error:
        raise RecipeError(
            f"{path}: the column {field.name!r} does not fit {field.type}, which it had in the first rows or in "
            f"output_types: {error}. Say its type in output_types={{{field.name!r}: ...}}"
        ) from error


def output_types(
    function: FunctionRef, sample: pd.DataFrame, group_by: Sequence[str], declared: Mapping[str, str] | None
) -> tuple[tuple[str, str], ...]:
    """Output column -> Arrow type of a function: as declared, else as it gives for `sample`.

    Raises:
        InputError: a declared type is unknown.
        RecipeError: the function raises, or gives nothing to tell a type by.
    """
    if declared:
        return tuple((name, _known(name, kind)) for name, kind in declared.items())
    import pandas as pd

    hint = f"Name the columns that it gives: output_types={{'column': 'double', ...}} for {function.path}"
    try:
        if group_by:
            groups = [group.reset_index(drop=True) for _, group in sample.groupby(list(group_by), dropna=False)]
            made = pd.concat([frame_of(function.load()(group), function.path) for group in groups[:20]])
        else:
            made = frame_of(function.load()(sample), function.path)
    except BatchScoreError:
        raise
    except Exception as error:
        raise RecipeError(
            f"{function.path} raised {type(error).__name__}: {error}, when it was tried on the first {len(sample)} "
            f"rows. {hint}"
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


def _known(name: str, kind: str) -> str:
    import pyarrow as pa

    try:
        return str(pa.type_for_alias(str(kind)))
    except ValueError:
        raise InputError(
            f"the output column {name!r} has the type {kind!r}; columns can be double, int64, bool, string, "
            "timestamp[us] and the like. Convert it in the function"
        ) from None
