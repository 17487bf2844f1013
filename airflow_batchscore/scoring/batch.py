"""Score a batch of rows: features, one vectorised call of the model, keys and outputs as Arrow columns."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.casting import texts
from airflow_batchscore.errors import OutputError, ScoringError, first_lines
from airflow_batchscore.model import row_wise
from airflow_batchscore.model.features import in_order
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.loaded import LoadedModel
from airflow_batchscore.model.outputs import OutputSpec, check_method
from airflow_batchscore.quality import profile, quarantine
from airflow_batchscore.scoring.columns import prediction_column
from airflow_batchscore.scoring.matrix import MatrixInput

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class ScoredBatch:
    """What became of the rows of a batch.

    Attributes:
        table: keys and outputs, in the order of the batch: a row for each scored one, or what a function made of them.
        places: number within the batch of the row that each row of `table` comes from.
        scored: rows of the batch that gave something.
        skipped: rows that were left out.
        failed: rows that made the recipe, the model or the function raise.
        features, predictions: counts of the profile.
        expected_features, expected_predictions: where each row has its model: see `BlockResult`.
        uncovered: what rows had no model of their own, and how many: see `BlockResult`.
    """

    table: pa.Table
    places: np.ndarray
    scored: int
    skipped: int
    failed: list[BadRow]
    features: profile.Counts = field(default_factory=dict)
    predictions: profile.Counts = field(default_factory=dict)
    expected_features: profile.Expected = field(default_factory=dict)
    expected_predictions: profile.Expected = field(default_factory=dict)
    uncovered: dict[str, int] = field(default_factory=dict)


class BatchScorer(Protocol):
    """Scores batches on one thread at a time."""

    @property
    def outputs(self) -> dict[str, str]:
        """Output column -> Arrow type."""
        ...

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        """The rows of a batch, those that cannot be scored set apart.

        Args:
            schema: of the table to make, as `output_schema` gives it.

        Raises:
            BatchScoreError: something is wrong with more than single rows.
        """
        ...


@dataclass(frozen=True)
class _Scored:
    """Results of rows that were scored together: which of them were (None: all), and all that the model gave."""

    rows: np.ndarray | None
    skipped: int
    outputs: dict[str, np.ndarray]
    features: profile.Counts

    def places(self, taken: np.ndarray | None) -> np.ndarray:
        """Numbers within the batch of the rows that were scored, of those `taken` from it (None: all)."""
        import numpy as np

        rows = self.rows
        if rows is None:
            rows = np.arange(len(next(iter(self.outputs.values()))) if self.outputs else 0)
        return rows if taken is None else taken[rows]


def output_schema(outputs: dict[str, str], keys: Sequence[str], types: dict[str, pa.DataType]) -> pa.Schema:
    """Keys as they are read, then the output columns as training saw them."""
    import pyarrow as pa

    both = sorted(set(keys) & set(outputs))
    if both:
        raise OutputError(f"the keys {both} have the name of an output column; rename them in the input, or drop them")
    fields = [pa.field(key, types[key]) for key in keys]
    return pa.schema(fields + [pa.field(name, pa.type_for_alias(alias)) for name, alias in outputs.items()])


class Scorer:
    """Scores batches with one model.

    Args:
        limit: failing rows of a batch that are looked for before scoring stops.
        allow_nan: accept predictions that are NaN or infinite.
        checked: features functions that were seen to look at each row alone; this one is added.

    Raises:
        ModelError: the model lacks a method or a column that is asked for.
    """

    def __init__(
        self,
        model: LoadedModel,
        spec: OutputSpec,
        keys: Sequence[str],
        limit: quarantine.Limit,
        *,
        allow_nan: bool,
        checked: set[FunctionRef] | None = None,
    ) -> None:
        for method in spec.methods:
            check_method(model.estimator, method, f"model {model.ref.uri}")
        manifest = model.manifest
        columns = spec.columns(manifest.signature.outputs, manifest.estimator)
        self.outputs = spec.types(manifest.signature.outputs, manifest.estimator)
        self._model = model
        self._spec = spec
        self._keys = list(keys)
        self._limit = limit
        self._allow_nan = allow_nan
        self._feature_bins = manifest.profile["features"]["bins"]
        known = manifest.profile["outputs"]
        bins = {name: known.get(c.method, {}).get("bins", {}).get(c.name) for name, c in columns.items()}
        self._output_bins = {name: spec for name, spec in bins.items() if spec}
        #: Counts of the training data: of the features, and of the columns that are written.
        self.reference_features: profile.Counts = manifest.profile["features"]["counts"]
        self.reference_outputs: profile.Counts = {
            name: known[columns[name].method]["counts"][columns[name].name] for name in self._output_bins
        }
        self._matrix = MatrixInput.of(model, spec)
        self._checked = set() if checked is None else checked

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        """See `BatchScorer`."""
        import numpy as np
        import pyarrow as pa

        rows = batch.table.num_rows
        if not rows:
            return ScoredBatch(schema.empty_table(), np.array([], dtype=np.int64), 0, 0, [])
        taken: np.ndarray | None = None
        failed: list[tuple[int, Exception]] = []
        part = self._score_matrix(batch.table)
        if part is None:
            taken, part, failed = quarantine.score_rows(
                rows,
                lambda some: self._score_rows(batch.table if some is None else batch.table.take(pa.array(some))),
                self._limit.rows_of(rows),
                together=not self._model.manifest.recipe.row_wise,
            )
        bad = [bad_row(batch, row, error) for row, error in failed]
        if part is None:
            return ScoredBatch(schema.empty_table(), np.array([], dtype=np.int64), 0, 0, bad)
        places = part.places(taken)
        table = self._table(batch, part, places, schema)
        return ScoredBatch(table, places, table.num_rows, part.skipped, bad, part.features, self._count_outputs(table))

    def _score_matrix(self, table: pa.Table) -> _Scored | None:
        """The quick way, without pandas; None where it does not apply or a row makes the model raise."""
        if self._matrix is None:
            return None
        inputs = self._matrix.build(table)
        if inputs is None:
            return None
        # The model may change what it is given: the profile comes first.
        counts = self._matrix.count(inputs, self._feature_bins)
        try:
            every = self._matrix.predict(inputs)
        except Exception:  # the slow way finds the rows that do it
            return None
        self._check_lengths(every, table.num_rows)
        return _Scored(None, 0, every, counts)

    def _score_rows(self, table: pa.Table) -> _Scored:
        """Features and outputs of raw rows."""
        recipe, signature = self._model.manifest.recipe, self._model.manifest.signature
        made = recipe.apply(table)
        if recipe.features is not None and recipe.row_wise:
            row_wise.check_quickly(recipe.features, table, made, again=recipe.features in self._checked)
            self._checked.add(recipe.features)
        inputs = in_order(made.frame, signature.features, whole=signature.whole_names)
        skipped = table.num_rows - len(inputs)
        if not len(inputs):
            return _Scored(made.rows, skipped, {}, {})
        # The model may change what it is given: the profile comes first.
        rows, weight = profile.sampled(len(inputs))
        counts = profile.count(inputs.iloc[rows], self._feature_bins, weight)
        every = self._spec.call(self._model.estimator, inputs)
        self._check_lengths(every, len(made.rows))
        return _Scored(made.rows if skipped else None, skipped, every, counts)

    def _check_lengths(self, every: dict[str, np.ndarray], rows: int) -> None:
        for name, array in every.items():
            if len(array) != rows:
                raise ScoringError(f"{self._spec.method} gave {len(array)} predictions in {name!r} for {rows} rows")

    def _table(self, batch: Batch, part: _Scored, places: np.ndarray, schema: pa.Schema) -> pa.Table:
        """Keys and outputs of the rows at `places`; a mismatch of their lengths raises."""
        import pyarrow as pa

        keys = batch.keys if len(places) == batch.keys.num_rows else batch.keys.take(pa.array(places))
        columns = {key: keys.column(key) for key in self._keys}
        outputs = [field for field in schema if field.name not in columns]
        if not part.outputs:
            columns |= {field.name: pa.array([], field.type) for field in outputs}
        else:
            columns |= self._outputs(part.outputs, outputs, lambda place: batch.positions[places[place]])
        return pa.table([columns[field.name] for field in schema], schema=schema)

    def _outputs(
        self, every: dict[str, np.ndarray], fields: Sequence[pa.Field], row_of: Callable[[int], int]
    ) -> dict[str, pa.Array]:
        """The columns that are written. A flag is not set for a value that is not there, but refused like the value."""
        import pyarrow as pa

        def checked(name: str, values: np.ndarray, kind: pa.DataType) -> pa.Array:
            return prediction_column(name, values, kind, row_of, allow_nan=self._allow_nan)

        for name in self._spec.flagged:
            if name in every:
                numbers = checked(name, every[name], pa.float64())
                every = {**every, name: numbers.to_numpy(zero_copy_only=False)}
        return {field.name: checked(field.name, self._spec.written(field.name, every), field.type) for field in fields}

    def _count_outputs(self, table: pa.Table) -> profile.Counts:
        if not self._output_bins or not table.num_rows:
            return {}
        import numpy as np

        rows, weight = profile.sampled(table.num_rows)
        numbers = {name: spec for name, spec in self._output_bins.items() if "edges" in spec}
        if len(numbers) == len(self._output_bins):
            matrix = np.column_stack([table.column(name).to_numpy()[rows] for name in numbers])
            return profile.count_matrix(matrix.astype(float), list(numbers), numbers, weight)
        columns = table.select(list(self._output_bins)).take(np.arange(table.num_rows)[rows])
        return profile.count(columns.to_pandas(), self._output_bins, weight)


def sorted_batch(
    table: pa.Table, places: np.ndarray, scored: int, skipped: int, failed: list[BadRow], uncovered: dict[str, int]
) -> ScoredBatch:
    """Results that were made out of order, in the order of the rows they come from."""
    import numpy as np
    import pyarrow as pa

    order = np.argsort(places, kind="stable")
    return ScoredBatch(table.take(pa.array(order)), places[order], scored, skipped, failed, uncovered=uncovered)


def bad_row(batch: Batch, row: int, error: Exception) -> BadRow:
    """A row of a batch that cannot be scored, for quarantine."""
    raw = texts(batch.table, row) | texts(batch.keys, row)
    return BadRow(int(batch.positions[row]), type(error).__name__, first_lines(error)[:2000], raw)


# An array with the columns in the model's order needs no names; scikit-learn says so once for every batch.
warnings.filterwarnings("ignore", message="X (does not have valid|has) feature names")
