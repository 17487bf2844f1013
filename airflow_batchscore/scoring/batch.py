"""Score a batch of rows: features, one vectorised call of the model, keys and outputs as Arrow columns."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.errors import ModelError, OutputError, RecipeError, ScoringError
from airflow_batchscore.model.artifact import LoadedModel, ModelManifest
from airflow_batchscore.model.outputs import check_method, output_columns
from airflow_batchscore.quality import profile, quarantine
from airflow_batchscore.scoring.matrix import MatrixInput

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class ScoredBatch:
    """What became of the rows of a batch.

    Attributes:
        table: keys and outputs of the scored rows, in the order of the batch.
        skipped: rows that the recipe left out.
        failed: rows that made the recipe or the model raise.
        features, predictions: counts of the profile.
    """

    table: pa.Table
    skipped: int
    failed: list[BadRow]
    features: profile.Counts
    predictions: profile.Counts


@dataclass(frozen=True)
class _Slice:
    """Results of consecutive rows of a batch: which of them were scored (None: all), and what came out."""

    rows: np.ndarray | None
    skipped: int
    outputs: dict[str, np.ndarray]
    features: profile.Counts


def kept_outputs(manifest: ModelManifest, method: str, wanted: Sequence[str] | None) -> dict[str, str]:
    """The output columns that are written, with their Arrow types.

    Raises:
        ModelError: the model has no such method, or that no such output.
    """
    methods = manifest.signature.outputs
    if method not in methods:
        raise ModelError(f"the model {manifest.estimator} has no {method!r}; it has {', '.join(methods)}")
    there = methods[method]
    unknown = [name for name in wanted or () if name not in there]
    if unknown:
        raise ModelError(f"outputs={unknown}: {method} of {manifest.estimator} gives {', '.join(there)}")
    return there if wanted is None else {name: there[name] for name in wanted}


def output_schema(outputs: dict[str, str], keys: Sequence[str], types: dict[str, pa.DataType]) -> pa.Schema:
    """Keys as they are read, then the output columns as training saw them."""
    import pyarrow as pa

    both = sorted(set(keys) & set(outputs))
    if both:
        raise OutputError(f"the keys {both} have the name of an output column; rename them in the input, or drop them")
    fields = [pa.field(key, types[key]) for key in keys]
    return pa.schema(fields + [pa.field(name, pa.type_for_alias(alias)) for name, alias in outputs.items()])


class Scorer:
    """Scores batches with one model, on one thread at a time.

    Args:
        outputs: output columns that are kept.
        limit: failing rows of a batch that are looked for before scoring stops.
        allow_nan: accept predictions that are NaN or infinite.
    """

    def __init__(
        self,
        model: LoadedModel,
        method: str,
        keys: Sequence[str],
        outputs: Sequence[str],
        limit: quarantine.Limit,
        *,
        allow_nan: bool,
    ) -> None:
        check_method(model.estimator, method, f"model {model.ref.uri}")
        self._model = model
        self._method = method
        self._keys = list(keys)
        self._outputs = list(outputs)
        self._limit = limit
        self._allow_nan = allow_nan
        self._feature_bins = model.manifest.profile["features"]["bins"]
        bins = model.manifest.profile["outputs"].get(method, {}).get("bins", {})
        self._output_bins = {name: bins[name] for name in outputs if name in bins}
        self._matrix = MatrixInput.of(model, method)

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        """Score the rows of a batch, those that cannot be scored set apart.

        Raises:
            RecipeError, ModelError, ScoringError: something is wrong with more than single rows.
        """
        import pyarrow as pa

        if not batch.table.num_rows:
            return ScoredBatch(schema.empty_table(), 0, [], {}, {})
        whole = self._score_matrix(batch.table)
        if whole is not None:
            done: list[tuple[int, _Slice]] = [(0, whole)]
            failed: list[tuple[int, Exception]] = []
        else:
            frame = batch.table.to_pandas()
            done, failed = quarantine.score_rows(frame, self._score_frame, self._limit.rows_of(len(frame)))
        tables = [self._table(batch.table, start, part, schema) for start, part in done]
        features: profile.Counts = {}
        for _, part in done:
            features = profile.merge(features, part.features)
        table = pa.concat_tables(tables) if tables else schema.empty_table()
        return ScoredBatch(
            table,
            sum(part.skipped for _, part in done),
            [_bad_row(batch, row, error) for row, error in failed],
            features,
            self._count_outputs(table),
        )

    def _score_matrix(self, table: pa.Table) -> _Slice | None:
        """The quick way, without pandas; None where it does not apply or a row makes the model raise."""
        if self._matrix is None:
            return None
        inputs = self._matrix.build(table)
        if inputs is None:
            return None
        try:
            outputs = self._matrix.predict(inputs)
        except Exception:  # the slow way finds the rows that do it
            return None
        self._check_outputs(outputs, table.num_rows)
        return _Slice(None, 0, outputs, self._matrix.count(inputs, self._feature_bins))

    def _score_frame(self, frame: pd.DataFrame) -> _Slice:
        """Features and outputs of raw rows whose index is 0 to n-1."""
        import numpy as np

        manifest = self._model.manifest
        made = manifest.recipe.apply(frame)
        rows = made.index.to_numpy(dtype=np.int64)
        missing = [name for name in manifest.signature.features if name not in made.columns]
        if missing:
            raise RecipeError(
                f"the features lack {missing}, which the model was trained on; there are {list(made.columns)}"
            )
        inputs = made[list(manifest.signature.features)]
        skipped = len(frame) - len(inputs)
        if not len(inputs):
            return _Slice(rows, skipped, {}, {})
        values = getattr(self._model.estimator, self._method)(inputs)
        outputs = output_columns(self._model.estimator, values, self._method)
        self._check_outputs(outputs, len(inputs))
        counts = profile.count(profile.sample(inputs), self._feature_bins)
        return _Slice(rows if skipped else None, skipped, outputs, counts)

    def _check_outputs(self, outputs: dict[str, np.ndarray], rows: int) -> None:
        import numpy as np

        missing = [name for name in self._outputs if name not in outputs]
        if missing:
            raise ScoringError(f"the model gave the columns {sorted(outputs)}; training recorded {missing}")
        for name in self._outputs:
            array = outputs[name]
            if len(array) != rows:
                raise ScoringError(f"{self._method} gave {len(array)} predictions in {name!r} for {rows} rows")
            # The sum is finite only if all are, and costs a third; it can overflow, so a doubt is looked into.
            if self._allow_nan or array.dtype.kind != "f" or np.isfinite(array.sum()):
                continue
            count = int((~np.isfinite(array)).sum())
            if count:
                raise ScoringError(
                    f"{count} of {len(array)} predictions are NaN or infinite; mend the recipe or the model, or "
                    "accept them with allow_nan=True"
                )

    def _table(self, raw: pa.Table, start: int, part: _Slice, schema: pa.Schema) -> pa.Table:
        """Keys and outputs of a slice; a mismatch of their lengths raises."""
        import pyarrow as pa

        keys = raw.select(self._keys)
        if part.rows is not None:
            keys = keys.take(pa.array(start + part.rows))
        elif part.outputs:
            keys = keys.slice(start, len(next(iter(part.outputs.values()))))
        columns = [keys.column(key) for key in self._keys]
        columns += [_as_column(part.outputs, field) for field in schema if field.name not in self._keys]
        return pa.table(columns, schema=schema)

    def _count_outputs(self, table: pa.Table) -> profile.Counts:
        if not self._output_bins or not table.num_rows:
            return {}
        columns = table.select(list(self._output_bins)).take(profile.sample_rows(table.num_rows))
        numbers = {name: spec for name, spec in self._output_bins.items() if "edges" in spec}
        if len(numbers) == len(self._output_bins):
            import numpy as np

            matrix = np.column_stack([columns.column(name).to_numpy() for name in numbers])
            return profile.count_matrix(matrix.astype(float), list(numbers), numbers)
        return profile.count(columns.to_pandas(), self._output_bins)


def _as_column(outputs: dict[str, np.ndarray], field: pa.Field) -> pa.Array:
    import pyarrow as pa

    if not outputs:
        return pa.array([], field.type)
    array = pa.array(outputs[field.name])
    return array if array.type == field.type else array.cast(field.type)


def _bad_row(batch: Batch, row: int, error: Exception) -> BadRow:
    values: dict[str, Any] = batch.table.slice(row, 1).to_pylist()[0]
    raw = {name: None if value is None else str(value) for name, value in values.items()}
    return BadRow(int(batch.positions[row]), type(error).__name__, str(error)[:2000], raw)


# An array with the columns in the model's order needs no names; scikit-learn says so once for every batch.
warnings.filterwarnings("ignore", message="X does not have valid feature names")
