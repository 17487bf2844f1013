"""Score a batch of rows: features, one vectorised call of the model, keys and outputs as Arrow columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.errors import OutputError, ScoringError
from airflow_batchscore.model import made_with
from airflow_batchscore.model.features import in_order
from airflow_batchscore.model.loaded import LoadedModel
from airflow_batchscore.model.opening import other_versions
from airflow_batchscore.model.outputs import OutputSpec, check_method
from airflow_batchscore.quality import profile, quarantine
from airflow_batchscore.quality.beyond import Beyond, look
from airflow_batchscore.quality.values import of_frame, of_table
from airflow_batchscore.scoring.scorers.columns import prediction_column
from airflow_batchscore.scoring.scorers.matrix import MatrixInput
from airflow_batchscore.scoring.scorers.results import bad_row
from airflow_batchscore.scoring.scorers.shared_features import SharedFeatures

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class ScoredBatch:
    """The results for the rows of a batch.

    Attributes:
        table: keys and outputs, in the order of the batch: one row per scored row, or what a function returned for
            them.
        places: number within the batch of the row that each row of `table` comes from; empty if a function over groups
            made `table`, whose rows come from no single row.
        scored: rows of the batch that gave a result.
        skipped: rows that were left out.
        failed: rows that made the recipe, the model or the function raise.
        features, predictions: counts of the profile.
        expected_features, expected_predictions: if each row has its own model: see `BlockResult`.
        uncovered: which rows had no model of their own, and how many: see `BlockResult`.
        beyond: what the rows hold that the training rows did not.
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
    beyond: Beyond = field(default_factory=Beyond)

    @classmethod
    def empty(
        cls,
        schema: pa.Schema,
        *,
        skipped: int = 0,
        failed: Sequence[BadRow] = (),
        uncovered: Mapping[str, int] | None = None,
    ) -> ScoredBatch:
        """No results, because the batch had no rows, or all were skipped or failed."""
        import numpy as np

        none = np.array([], dtype=np.int64)
        return cls(schema.empty_table(), none, 0, skipped, list(failed), uncovered=dict(uncovered or {}))


@dataclass(frozen=True)
class BatchRules:
    """What holds for the rows of every batch.

    Attributes:
        keys: columns to keep with each result.
        limit: failing rows of a batch to look for before scoring stops.
        allow_nan: accept NaN or infinite predictions.
    """

    keys: tuple[str, ...]
    limit: quarantine.Limit
    allow_nan: bool


class BatchScorer(Protocol):
    """Scores batches on one thread at a time."""

    @property
    def outputs(self) -> dict[str, str]:
        """Output column -> Arrow type."""
        ...

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        """Score the rows of a batch; those that cannot be scored are set apart.

        Args:
            schema: of the resulting table, as returned by `output_schema`.

        Raises:
            BatchScoreError: the problem affects more than single rows.
        """
        ...


@dataclass(frozen=True)
class _Scored:
    """Results of rows that were scored together: which rows were scored (None: all), and the model's outputs."""

    rows: np.ndarray | None
    skipped: int
    outputs: dict[str, np.ndarray]
    features: profile.Counts
    beyond: Beyond = field(default_factory=Beyond)

    def places(self, taken: np.ndarray | None) -> np.ndarray:
        """Numbers within the batch of the rows that were scored, of those `taken` from it (None: all)."""
        count = len(next(iter(self.outputs.values()))) if self.outputs else 0
        rows = _up_to(count) if self.rows is None else self.rows
        return rows if taken is None else taken[rows]


@lru_cache(maxsize=4)
def _up_to(count: int) -> np.ndarray:
    """The numbers below `count`, which batches of that size share; read-only."""
    import numpy as np

    numbers = np.arange(count)
    numbers.flags.writeable = False
    return numbers


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
        shared: the features, if other models use them too.

    Raises:
        ModelError: the model lacks a requested method or column.
    """

    def __init__(
        self,
        model: LoadedModel,
        spec: OutputSpec,
        rules: BatchRules,
        *,
        shared: SharedFeatures | None = None,
    ) -> None:
        for method in spec.methods:
            check_method(model.estimator, method, f"model {model.ref.uri}")
        manifest = model.manifest
        columns = spec.columns(manifest.signature.outputs, manifest.estimator)
        self.outputs = spec.types(manifest.signature.outputs, manifest.estimator)
        self._model = model
        self._spec = spec
        self._rules = rules
        features = manifest.profile.features
        written = manifest.profile.written({name: (column.method, column.name) for name, column in columns.items()})
        self._feature_bins, self._output_bins = features.bins, written.bins
        self._ranges = manifest.profile.ranges
        #: Counts of the training data: of the features, and of the written columns.
        self.reference_features, self.reference_outputs = features.counts, written.counts
        self._matrix = MatrixInput.of(model, spec)
        self._shared = shared or SharedFeatures()

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        """See `BatchScorer`."""
        rows = batch.table.num_rows
        if not rows:
            return ScoredBatch.empty(schema)
        taken: np.ndarray | None = None
        failed: list[tuple[int, Exception]] = []
        part = self._score_matrix(batch.table)
        if part is None:
            manifest = self._model.manifest
            limit, together = self._rules.limit.rows_of(rows), not manifest.recipe.row_wise
            with made_with.named(lambda: other_versions(manifest)):
                taken, part, failed = quarantine.score_rows(batch.table, self._score_rows, limit, together=together)
        bad = [bad_row(batch, row, error) for row, error in failed]
        if part is None:
            return ScoredBatch.empty(schema, failed=bad)
        places = part.places(taken)
        table = self._table(batch, part, places, schema)
        counts = part.features, self._count_outputs(table)
        return ScoredBatch(table, places, table.num_rows, part.skipped, bad, *counts, beyond=part.beyond)

    def _score_matrix(self, table: pa.Table) -> _Scored | None:
        """The fast path, without pandas; None if it does not apply or a row makes the model raise."""
        if self._matrix is None:
            return None
        inputs = self._matrix.build(table)
        if inputs is None:
            return None
        # The model may modify its input: the profile comes first.
        counts, beyond = self._matrix.count(inputs, self._feature_bins, self._ranges)
        try:
            every = self._matrix.predict(inputs)
        except Exception:  # the slow path finds the rows that cause it
            return None
        self._check_lengths(every, table.num_rows)
        return _Scored(None, 0, every, counts, beyond)

    def _score_rows(self, table: pa.Table) -> _Scored:
        """Features and outputs of raw rows."""
        signature = self._model.manifest.signature
        made = self._shared.features(self._model.manifest.recipe, table)
        inputs = in_order(made.frame, signature.features, whole=signature.whole_names)
        skipped = table.num_rows - len(inputs)
        if not len(inputs):
            return _Scored(made.rows, skipped, {}, {})
        # The model may modify its input: the profile comes first.
        counts, beyond = self._count_features(inputs)
        every = self._spec.call(self._model.estimator, inputs)
        self._check_lengths(every, len(made.rows))
        return _Scored(made.rows if skipped else None, skipped, every, counts, beyond)

    def _check_lengths(self, every: dict[str, np.ndarray], rows: int) -> None:
        for name, array in every.items():
            if len(array) != rows:
                raise ScoringError(f"{self._spec.method} gave {len(array)} predictions in {name!r} for {rows} rows")

    def _table(self, batch: Batch, part: _Scored, places: np.ndarray, schema: pa.Schema) -> pa.Table:
        """Keys and outputs of the rows at `places`; a mismatch of their lengths raises."""
        import pyarrow as pa

        keys = batch.keys if len(places) == batch.keys.num_rows else batch.keys.take(pa.array(places))
        columns = {key: keys.column(key) for key in self._rules.keys}
        outputs = [field for field in schema if field.name not in columns]
        if not part.outputs:
            columns |= {field.name: pa.array([], field.type) for field in outputs}
        else:
            columns |= self._outputs(part.outputs, outputs, lambda place: batch.positions[places[place]])
        return pa.table([columns[field.name] for field in schema], schema=schema)

    def _outputs(
        self, every: dict[str, np.ndarray], fields: Sequence[pa.Field], row_of: Callable[[int], int]
    ) -> dict[str, pa.Array]:
        """The columns to write. A flag of a missing value is not set, but refused like the value."""
        import pyarrow as pa

        def checked(name: str, values: np.ndarray, kind: pa.DataType) -> pa.Array:
            return prediction_column(name, values, kind, row_of, allow_nan=self._rules.allow_nan)

        for name in self._spec.flagged:
            if name in every:
                numbers = checked(name, every[name], pa.float64())
                every = {**every, name: numbers.to_numpy(zero_copy_only=False)}
        return {field.name: checked(field.name, self._spec.written(field.name, every), field.type) for field in fields}

    def _count_features(self, inputs: pd.DataFrame) -> tuple[profile.Counts, Beyond]:
        rows, weight = profile.sampled(len(inputs))
        taken = inputs.iloc[rows]
        values = of_frame(taken, self._feature_bins)
        counts = profile.counted(values, self._feature_bins, weight)
        return counts, look(values, self._ranges, len(taken), weight)

    def _count_outputs(self, table: pa.Table) -> profile.Counts:
        if not self._output_bins or not table.num_rows:
            return {}
        rows, weight = profile.sampled(table.num_rows)
        return profile.counted(of_table(table, rows, self._output_bins), self._output_bins, weight)


def sorted_batch(
    table: pa.Table, places: np.ndarray, scored: int, skipped: int, failed: list[BadRow], uncovered: dict[str, int]
) -> ScoredBatch:
    """Results computed out of order, in the order of the rows they come from."""
    import numpy as np
    import pyarrow as pa

    order = np.argsort(places, kind="stable")
    return ScoredBatch(table.take(pa.array(order)), places[order], scored, skipped, failed, uncovered=uncovered)
