"""What is done to the rows of a partition: the part of a job that a worker turns into a `BatchScorer`.

A spec is small and free of secrets, because it is sent to workers with every block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.inferred_types import reading_types
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.model.model_code import Code
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.scoring.scorers.scorer import BatchRules, BatchScorer, ScoredBatch, Scorer
from airflow_batchscore.scoring.scorers.shared_features import SharedFeatures

if TYPE_CHECKING:
    import pyarrow as pa


#: Any rows of a block, all of a partition, or all of a group.
Unit = Literal["block", "partition", "group"]


class ScorerSpec(Protocol):
    """What is done to rows."""

    @property
    def unit(self) -> Unit:
        """Which rows must be processed together."""
        ...

    @property
    def method(self) -> str:
        """Its name in manifests and reports."""
        ...

    def open(self, rules: BatchRules) -> BatchScorer:
        """On a worker: load what is needed. Raises ModelError, RecipeError, and EngineError if code differs."""
        ...

    def identity(self) -> list[object]:
        """What determines the scores, as JSON; see `score_identity`."""
        ...


def model_columns(manifest: ModelManifest, declared: Mapping[str, str]) -> dict[str, str | None]:
    """Raw columns that the recipe needs, with the types inferred at training, or those declared."""
    recipe, signature = manifest.recipe, manifest.signature
    if recipe.columns is not None:
        names = list(recipe.columns)
    elif recipe.features is None:
        names = list(signature.features)
    else:
        names = [name for name in signature.raw if name != recipe.target_column]
    return reading_types(declared, signature.raw, names, recipe.keys)


@dataclass(frozen=True)
class ModelSpec:
    """One model for all rows.

    Attributes:
        recipe_digest: of the code when planned.
        code: of everything that the model runs, likewise; a worker must have the same.
        unit: a partition if the model's recipe needs more than one row.
    """

    model: ModelRef
    recipe_digest: str
    code: Code
    output_spec: OutputSpec
    trusted_types: tuple[str, ...] = ()
    unit: Unit = "block"

    @property
    def method(self) -> str:
        return self.output_spec.method

    def open(self, rules: BatchRules, shared: SharedFeatures | None = None) -> BatchScorer:
        """See `ScorerSpec`. Args: shared: see `Scorer`."""
        loaded = artifact.load(self.model, self.trusted_types, self.code)
        return Scorer(loaded, self.output_spec, rules, shared=shared)

    def identity(self) -> list[object]:
        model = [self.model.digest, *filter(None, [self.model.compiled])]
        return [*model, self.recipe_digest, [digest for _, digest in self.code], *self.output_spec.to_list()]


@dataclass(frozen=True)
class SkipSpec:
    """No model for any row: all are skipped, into a table like that of another model.

    Attributes:
        outputs: output column -> Arrow type, those of another model.
        reason: why there is no model.
    """

    outputs: dict[str, str]
    output_spec: OutputSpec
    reason: str

    @property
    def unit(self) -> Unit:
        return "block"

    @property
    def method(self) -> str:
        return self.output_spec.method

    def open(self, rules: BatchRules) -> BatchScorer:
        return _Skipper(self.outputs, self.reason)

    def identity(self) -> list[object]:
        return [None, self.reason, list(self.outputs.items()), *self.output_spec.to_list()]


@dataclass(frozen=True)
class _Skipper:
    outputs: dict[str, str]
    reason: str

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        rows = batch.table.num_rows
        return ScoredBatch.empty(schema, skipped=rows, uncovered={self.reason: rows} if rows else {})
