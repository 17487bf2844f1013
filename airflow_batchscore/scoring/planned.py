"""From a job to what is done to one partition: which work, which columns are read, which keys go along."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.errors import InputError, RecipeError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.model.model_code import changed_code, model_code
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.scoring.by_column import ModelsWork
from airflow_batchscore.scoring.function import FunctionWork
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.trial import Trial
from airflow_batchscore.scoring.work import ModelWork, SkipWork, Work, columns_to_read

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planned:
    """What is done to a partition.

    Attributes:
        types: columns to read for the work, with the types to read them with.
        key_types: likewise, of the columns that go with the scores and of the one that names models.
        model: for the manifest; None where there is not one.
        outputs: output column -> method and column of the model.
        choice: for the manifest, where each partition has its own model.
    """

    work: Work
    types: dict[str, str | None]
    key_types: dict[str, str | None]
    keys: tuple[str, ...]
    model: dict[str, Any] | None = None
    outputs: dict[str, list[str]] = field(default_factory=dict)
    choice: dict[str, Any] | None = None


class Planner:
    """Plans the partitions of one job; reads each model's manifest once.

    Raises:
        ModelError, RecipeError, InputError: what is asked for cannot be done.
    """

    def __init__(self, job: ScoringJob) -> None:
        self._job = job
        self._manifests: dict[ModelRef, ModelManifest] = {}
        self._trial: Trial | None = None
        if job.model is not None:
            self._manifest(job.model)  # said before a partition is looked at

    def plan(self, partition: Partition) -> Planned:
        """What is done to a partition."""
        job = self._job
        if job.function is not None:
            return self._function(job.function, partition)
        if job.models is not None:
            return self._by_column()
        if job.choices is None:
            assert job.model is not None, "a job says what to score with"
            return self._model(job.model, None)
        choice = job.choices[partition.key]
        if choice.model is not None:
            return self._model(choice.model, choice.to_dict())
        assert job.like is not None, "a plan without any model fails"
        like = self._model(job.like, choice.to_dict())
        outputs = self._output_types(self._manifest(job.like))
        work = SkipWork(outputs, job.spec, f"{partition.key}: {choice.note}")
        return Planned(work, like.types, like.key_types, like.keys, None, {}, choice.to_dict())

    def _manifest(self, ref: ModelRef) -> ModelManifest:
        if ref not in self._manifests:
            manifest = artifact.read_manifest(ref)
            self._output_types(manifest)  # refuses what the model does not have
            changed = changed_code(manifest)
            if changed:
                log.warning(
                    "the code of %s has changed since model %s was trained with it; train it again if the change "
                    "alters the features or the predictions",
                    ", ".join(changed),
                    ref.uri,
                )
            self._manifests[ref] = manifest
        return self._manifests[ref]

    def _output_types(self, manifest: ModelManifest) -> dict[str, str]:
        return self._job.spec.types(manifest.signature.outputs, manifest.estimator)

    def _keys(self, manifest: ModelManifest) -> tuple[str, ...]:
        return manifest.recipe.keys if self._job.keys is None else self._job.keys

    def _types(self, manifest: ModelManifest) -> dict[str, str | None]:
        return columns_to_read(manifest, self._job.dataset.column_types)

    def _key_types(self, keys: Sequence[str]) -> dict[str, str | None]:
        """Keys are what stands in the file, byte for byte, unless their type was declared."""
        declared = self._job.dataset.column_types
        return {name: declared.get(name) for name in keys}

    def _model(self, ref: ModelRef, choice: dict[str, Any] | None) -> Planned:
        job, manifest = self._job, self._manifest(ref)
        recipe, code = manifest.recipe, model_code(manifest)
        work = ModelWork(ref, recipe.digest, code, job.spec, job.trusted_types, recipe.row_wise)
        columns = job.spec.columns(manifest.signature.outputs, manifest.estimator)
        keys = self._keys(manifest)
        return Planned(
            work,
            self._types(manifest),
            self._key_types(keys),
            keys,
            {**ref.to_dict(), "version": ref.version},
            {name: [column.method, column.name] for name, column in columns.items()},
            choice,
        )

    def _by_column(self) -> Planned:
        job = self._job
        assert job.models is not None
        assert job.model_by is not None, "they come together"
        manifest = self._manifest(job.models.like)
        if not manifest.recipe.row_wise:
            raise RecipeError(
                f"row_wise=False: a recipe over whole partitions does not go with model_by={job.model_by!r}"
            )
        keys = self._keys(manifest)
        outputs = self._output_types(manifest)
        digest, code = manifest.recipe.digest, model_code(manifest)
        work = ModelsWork(job.models, job.model_by, digest, code, job.spec, outputs, job.trusted_types)
        return Planned(work, self._types(manifest), self._key_types((*keys, job.model_by)), keys)

    def _function(self, job: FunctionJob, partition: Partition) -> Planned:
        keys = tuple(self._job.keys or ())
        if job.group_by and keys:
            raise InputError(f"keys={list(keys)}: with group_by the keys are the columns {list(job.group_by)}")
        if job.group_by and not job.row_wise:
            raise InputError("group_by gives the function whole groups; leave row_wise=False out")
        keys = job.group_by or keys
        trial = self._trial = self._trial or Trial(self._job, job, keys)
        types = trial.types(partition)
        declared, pinned = bool(job.output_types), job.function.pinned()
        outputs = trial.outputs(partition, types)
        work = FunctionWork(pinned, job.function.digest, outputs, job.group_by, job.row_wise, declared)
        return Planned(work, types, self._key_types(keys), keys)
