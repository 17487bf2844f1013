"""Scoring of rows that are read elsewhere: Arrow tables from Spark, in groups of a size that suits a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.casting import cast_columns
from airflow_batchscore.engine.single_thread import hold_to_one_thread
from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.model_code import Code, model_code
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.recipe import column_names
from airflow_batchscore.model.reference import ModelRef, resolve
from airflow_batchscore.model.trust import TRUST_ALL, ModelAccess, Trust
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.scorers.scorer import BatchRules, ScoredBatch, Scorer, output_schema
from airflow_batchscore.scoring.scorers.specs import model_columns

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows per call of the model.
DEFAULT_GROUP_ROWS = 50_000


@dataclass(frozen=True)
class FrameJob:
    """What a worker needs to score rows that it is given. Small, free of secrets, pinned to a version.

    Attributes:
        outputs: output columns to keep, with their Arrow types.
        columns: columns that the model needs, with the types inferred at training.
        code: of everything that the model runs; a worker must have the same.
        trusted_types: see `Trust`.
    """

    model: ModelRef
    spec: OutputSpec
    rules: BatchRules
    outputs: dict[str, str]
    columns: dict[str, str | None]
    code: Code
    trusted_types: tuple[str, ...] = ()

    @property
    def needed(self) -> list[str]:
        """Every required input column."""
        return list(dict.fromkeys([*self.columns, *self.rules.keys]))

    @classmethod
    def of(
        cls,
        model: str,
        spec: OutputSpec,
        keys: Sequence[str] | None,
        limit: Limit,
        *,
        allow_nan: bool,
        trust: Trust | None = None,
    ) -> FrameJob:
        """Resolve the model once.

        Raises ModelError if it does not exist, is not trusted, or has no such method or output.
        """
        trust = trust or TRUST_ALL
        ref = resolve(model, ModelAccess(trust=trust))
        manifest = artifact.read_manifest(ref)
        if not manifest.recipe.row_wise:
            raise RecipeError(
                f"model {ref.uri}: its recipe has row_wise=False and needs whole partitions, which a Spark table does "
                "not have; score it with ScorePartitionOperator"
            )
        wanted = manifest.recipe.keys if keys is None else column_names(keys, "keys")
        kept = spec.types(manifest.signature.outputs, manifest.estimator)
        columns, code = model_columns(manifest, {}), model_code(manifest)
        return cls(ref, spec, BatchRules(tuple(wanted), limit, allow_nan), kept, columns, code, trust.types)

    def score(self, tables: Iterable[pa.Table]) -> Iterator[tuple[Batch, ScoredBatch]]:
        """Each table and the results for its rows.

        Raises:
            InputError: a column cannot have the type inferred at training.
            RecipeError, ModelError, ScoringError: the problem affects more than single rows.
            EngineError: this worker has other code than the driver.
        """
        import numpy as np

        loaded = artifact.load(self.model, self.trusted_types, self.code)
        hold_to_one_thread()
        scorer = Scorer(loaded, self.spec, self.rules)
        for table in tables:
            table = table.replace_schema_metadata(None)  # pandas' notes about an index are not a column
            keys = table.select(list(self.rules.keys))
            inputs = cast_columns(table.select(list(self.columns)), self.columns, "the table")
            schema = output_schema(self.outputs, self.rules.keys, {field.name: field.type for field in keys.schema})
            batch = Batch(inputs, np.arange(table.num_rows), [], keys)
            yield batch, scorer.score(batch, schema)


def grouped(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Tables of at least `rows` rows, except the last one."""
    import pyarrow as pa

    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if sum(part.num_rows for part in group) >= rows:
            yield pa.Table.from_batches(group)
            group = []
    if group:
        yield pa.Table.from_batches(group)
