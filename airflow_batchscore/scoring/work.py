"""What is done to the rows of a partition: the part of a job that a worker turns into a `BatchScorer`.

A work is small and free of secrets, because it goes to workers with every block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.inference import reading_types
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.model.model_code import Code
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.batch import BatchScorer, ScoredBatch, Scorer

if TYPE_CHECKING:
    import pyarrow as pa


class Work(Protocol):
    """What is done to rows."""

    @property
    def row_wise(self) -> bool:
        """Whether rows may be parted into blocks; else a partition is scored whole."""
        ...

    @property
    def method(self) -> str:
        """How manifests and reports call it."""
        ...

    def open(self, keys: Sequence[str], limit: Limit, *, allow_nan: bool) -> BatchScorer:
        """On a worker: load what is needed. Raises ModelError, RecipeError, and EngineError where code differs."""
        ...

    def identity(self) -> list[Any]:
        """What of it decides the scores, as JSON; see `score_identity`."""
        ...


def columns_to_read(manifest: ModelManifest, declared: Mapping[str, str]) -> dict[str, str | None]:
    """Raw columns that the recipe needs, with the types training found, or those declared."""
    recipe, signature = manifest.recipe, manifest.signature
    if recipe.columns is not None:
        names = list(recipe.columns)
    elif recipe.features is None:
        names = list(signature.features)
    else:
        names = [name for name in signature.raw if name != recipe.target_column]
    return reading_types(declared, signature.raw, names, recipe.keys)


@dataclass(frozen=True)
class ModelWork:
    """One model for all rows.

    Attributes:
        recipe_digest: of the code that is there when it is planned.
        code: of all that the model runs, likewise; a worker must have the same.
        row_wise: as of the model's recipe.
    """

    model: ModelRef
    recipe_digest: str
    code: Code
    spec: OutputSpec
    trusted_types: tuple[str, ...] = ()
    row_wise: bool = True

    @property
    def method(self) -> str:
        return self.spec.method

    def open(self, keys: Sequence[str], limit: Limit, *, allow_nan: bool) -> BatchScorer:
        loaded = artifact.load(self.model, self.trusted_types, self.code)
        return Scorer(loaded, self.spec, keys, limit, allow_nan=allow_nan)

    def identity(self) -> list[Any]:
        return [self.model.digest, self.recipe_digest, [digest for _, digest in self.code], *self.spec.to_list()]


@dataclass(frozen=True)
class SkipWork:
    """No model for any row: all are skipped, into a table like that of another model.

    Attributes:
        outputs: output column -> Arrow type, those of another model.
        reason: why there is no model.
    """

    outputs: dict[str, str]
    spec: OutputSpec
    reason: str

    @property
    def row_wise(self) -> bool:
        return True

    @property
    def method(self) -> str:
        return self.spec.method

    def open(self, keys: Sequence[str], limit: Limit, *, allow_nan: bool) -> BatchScorer:
        return _Skipper(self.outputs, self.reason)

    def identity(self) -> list[Any]:
        return [None, self.reason, list(self.outputs.items()), *self.spec.to_list()]


@dataclass(frozen=True)
class _Skipper:
    outputs: dict[str, str]
    reason: str

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        import numpy as np

        rows = batch.table.num_rows
        empty = np.array([], dtype=np.int64)
        return ScoredBatch(schema.empty_table(), empty, 0, rows, [], uncovered={self.reason: rows} if rows else {})
