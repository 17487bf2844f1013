"""A job's function, tried on the first rows of a partition: its input, and the columns it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.exact import to_column
from airflow_batchscore.data.formats.base import Dtypes
from airflow_batchscore.data.inferred_types import reading_types, sample_types
from airflow_batchscore.data.notebook import notebook_types
from airflow_batchscore.data.taken_for_text import taken_for_text
from airflow_batchscore.errors import BatchScoreError, InputChangedError, InputError, RecipeError, listed
from airflow_batchscore.model import row_wise, same_types
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.user_code import call
from airflow_batchscore.scoring import trial_types
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.scorers.results import named_by_text

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from airflow_batchscore.data.batch import BadRow, Batch

_ROWS = 1000

Types = dict[str, str | None]
Outputs = tuple[tuple[str, str], ...]


class Trial:
    """Tries the function of one job, per partition: partitions that share a task must not affect each other's identity.

    Args:
        keys: columns kept with the function's result. The function sees those that `FunctionJob.columns` names, or all.

    Raises:
        InputError: the function would be given no column, or an output has the name of a group column.
    """

    def __init__(self, job: ScoringJob, function: FunctionJob, keys: Sequence[str]) -> None:
        if function.columns is not None and not function.columns:
            raise InputError("columns=[] leaves nothing to give to the function; name columns, or leave it out for all")
        clash = sorted(set(function.output_types or ()) & set(function.group_by))
        if clash:
            raise InputError(
                f"output_types names {clash}, but these are the columns of group_by, which are written as they are: "
                "give the function's outputs other names"
            )
        self._job, self._function, self._keys = job, function, keys
        self._by_rows = function.row_wise and not function.group_by
        self._tried = False

    def types(self, partition: Partition) -> Types:
        """The function's input columns for a partition, with the one type that each is read with."""
        columns, dataset = self._function.columns, self._job.dataset
        # No type is inferred for a key that is only kept with the results: it is what the file contains.
        sampled = sample_types(dataset, partition, columns, self._keys)
        names = list(sampled) if columns is None else list(columns)
        return reading_types(dataset.column_types, sampled, names, whole=self._keys)

    def outputs(self, partition: Partition, types: Types) -> Outputs:
        """Output column -> Arrow type: as declared, else as the function returns for the first rows.

        Raises:
            InputError: a declared type is unknown, or no row can be read to infer the columns from.
            RecipeError: the function raises, returns nothing to infer a type from, or does not treat each row
            independently.
        """
        declared = self._function.output_types
        outputs = tuple((name, _known(name, kind)) for name, kind in (declared or {}).items())
        batch = None if declared and self._tried else self._first_rows(partition, types)
        if not declared:
            if batch is None:
                return self._outputs_elsewhere(partition)
            dtypes = {} if self._tried else self._notebook_types(partition, types)
            outputs = given_types(self._job.dataset, self._function.function, batch, self._function.group_by, dtypes)
        if batch is not None and not self._tried:
            self._try(partition, types, batch)
            self._tried = True
        return outputs

    def _try(self, partition: Partition, types: Types, batch: Batch) -> None:
        """Raises RecipeError: the function depends on neighbouring rows, or on the types in a notebook."""
        function, group_by = self._function.function, self._function.group_by
        if self._by_rows:
            try_rows(function, batch.table)
        missing = partial(trial_types.missing_in, self._job.dataset, partition, types)
        trial_types.check(function, batch, group_by, self._notebook_types(partition, types), missing)

    def _notebook_types(self, partition: Partition, types: Types) -> Dtypes:
        sampled = sample_types(self._job.dataset, partition, self._function.columns, self._keys)
        return notebook_types(self._job.dataset, [partition], sampled, types)

    def _first_rows(self, partition: Partition, types: Types) -> Batch | None:
        """None if there is no row, or none that can be read; without output_types an InputError says why."""
        dataset = self._job.dataset
        keys = {name: dataset.column_types.get(name) for name in self._keys}
        bad: BadRow | None = None
        where = ""
        blocks = cut(dataset, partition, block_rows=_ROWS, columns=list({**types, **keys}), numbered=False)
        # Partitions of one file are tried on the same rows: those of one may be far apart, or none.
        for block in (replace(block, source=replace(block.source, only=())) for block in blocks):
            try:
                for batch in read(dataset, block, types, keys):
                    if batch.table.num_rows:
                        first = batch.table.slice(0, _ROWS), batch.keys.slice(0, _ROWS)
                        return replace(batch, table=first[0], keys=first[1])
                    if bad is None and batch.bad:
                        bad, where = batch.bad[0], block.name
            except InputError as error:
                raise type(error)(f"partition {partition.key}: {error}") from error
        if bad is not None and not self._function.output_types:
            raise InputError(
                f"partition {partition.key}: no row can be read, so that nothing tells which columns "
                f"{self._function.function.path} gives. The first, row {bad.position} of {where}: {bad.message}. Fix "
                "the file or its read_options (encoding, delimiter, column_types); if all rows are to be quarantined, "
                "name the columns: output_types={'column': 'double', ...}"
            )
        return None

    def _outputs_elsewhere(self, partition: Partition) -> Outputs:
        """For a partition without rows: what the function returns for the first partition that has some."""
        files = ", ".join(file.uri for file in partition.files)
        path = self._function.function.path
        if not self._job.accepts_empty:
            raise InputError(
                f"partition {partition.key}: {files} holds no rows. Nothing was committed; if a partition "
                "without rows is right, set allow_empty=True"
            )
        for other in self._job.dataset.require():
            if other.key == partition.key:
                continue
            try:
                batch = self._first_rows(other, self.types(other))
            except InputChangedError:
                raise  # a retry may find rows there
            except InputError:  # raised when it is this partition's turn
                continue
            if batch is not None:
                return given_types(self._job.dataset, self._function.function, batch, self._function.group_by)
        raise InputError(
            f"partition {partition.key}: {files} holds no rows, and neither does any other partition, so that nothing "
            f"tells which columns {path} gives. {_hint(path)}"
        )


def _hint(path: str) -> str:
    return f"Name the columns that it gives: output_types={{'column': 'double', ...}} for {path}"


def given_types(
    dataset: PartitionedDataset,
    function: FunctionRef,
    sample: Batch,
    group_by: Sequence[str],
    dtypes: Dtypes | None = None,
) -> Outputs:
    """Output column -> Arrow type that a function returns for some rows. Raises RecipeError; see `Trial.outputs`."""
    table = sample.table
    try:
        if group_by:
            made = trial_types.of_groups(function, sample, group_by, {})
        else:
            made = named_by_text(call(function, table, repeats=True).frame, function.path)
    except BatchScoreError:
        raise
    except Exception as error:
        raise RecipeError(
            f"{function.path} raised {type(error).__name__}: {error}, when it was tried on the first "
            f"{table.num_rows} rows. It was given the columns {listed(table.column_names)} (columns= names them)"
            f"{taken_for_text(dataset, table, error) or f'. {_hint(function.path)}'}"
            f"{'' if group_by else same_types.cure(function, table, dtypes or {})}"
        ) from error
    types = {name: _type_name(made[name], function.path) for name in made.columns if name not in group_by}
    unclear = [name for name, kind in types.items() if not len(made) or kind == "null"]
    if unclear or not types:
        raise RecipeError(
            f"{function.path} gave no values in {unclear or 'any column'} for the first rows. {_hint(function.path)}"
        )
    return tuple((name, _known(name, kind)) for name, kind in types.items())


def _type_name(values: pd.Series, path: str) -> str:
    """The Arrow type of a column; ``string`` for text, whichever pandas type it has."""
    import pyarrow as pa

    try:
        kind = to_column(values).type
    except ValueError as error:
        raise RecipeError(f"{path}: the column {values.name!r} has values of several kinds: {error}") from error
    return "string" if pa.types.is_large_string(kind) else str(kind)


def try_rows(function: FunctionRef, sample: pa.Table) -> None:
    """Raises RecipeError if a function over rows does not treat each row of the sample independently.

    Rows that make it raise are ignored here: they are found when they are scored.
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
