"""From a job to what is done to one partition: which scorer, which columns are read, which keys are kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.errors import InputError, RecipeError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.model.model_code import changed_code, model_code
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import ChampionAndChallenger, Chosen, ModelByColumn, ModelPerPartition, OneModel
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.scorers.by_column import ModelByColumnSpec, ModelSet, save_set
from airflow_batchscore.scoring.scorers.function import FunctionSpec
from airflow_batchscore.scoring.scorers.specs import ModelSpec, ScorerSpec, SkipSpec, Unit, model_columns
from airflow_batchscore.scoring.trial import Trial

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """What is done to a partition.

    Attributes:
        types: columns that the scorer reads, with the types to read them with.
        key_types: likewise, for the columns kept with the scores and the one that names models.
        model: for the manifest; None if there is not exactly one.
        outputs: output column -> method and column of the model.
        choice: for the manifest, if each partition has its own model.
    """

    scorer: ScorerSpec
    types: dict[str, str | None]
    key_types: dict[str, str | None]
    keys: tuple[str, ...]
    model: ModelRef | None = None
    outputs: dict[str, list[str]] = field(default_factory=dict)
    choice: Chosen | None = None


class Preparer:
    """Prepares the partitions of one job; reads each model's manifest once.

    Raises:
        ModelError, RecipeError, InputError: the job cannot be done as requested.
    """

    def __init__(self, job: ScoringJob) -> None:
        self._job = job
        self._manifests: dict[ModelRef, ModelManifest] = {}
        self._trial: Trial | None = None
        self._set: ModelSet | None = None
        if isinstance(job.scored_with, OneModel):
            self._manifest(job.scored_with.model)  # raised before a partition is checked

    def prepare(self, partition: Partition) -> Prepared:
        """What is done to a partition."""
        match self._job.scored_with:
            case OneModel(model):
                return self._model(model, None)
            case ModelPerPartition(choices, like):
                return self._own_model(partition, choices[partition.key], like)
            case ModelByColumn() as models:
                return self._by_column(models)
            case FunctionJob() as function:
                return self._function(function, partition)
            case ChampionAndChallenger():
                raise TypeError("each of the two is prepared in a job of its own: see `score_run`")

    def _own_model(self, partition: Partition, choice: Chosen, like: ModelRef) -> Prepared:
        if choice.model is not None:
            return self._model(choice.model, choice)
        alike = self._model(like, choice)
        outputs = self._output_types(self._manifest(like))
        scorer = SkipSpec(outputs, self._job.spec, f"{partition.key}: {choice.note}")
        return Prepared(scorer, alike.types, alike.key_types, alike.keys, None, {}, choice)

    def _manifest(self, ref: ModelRef) -> ModelManifest:
        if ref not in self._manifests:
            manifest = artifact.read_manifest(ref)
            self._output_types(manifest)  # refuses outputs that the model does not have
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
        return model_columns(manifest, self._job.dataset.column_types)

    def _key_types(self, keys: Sequence[str]) -> dict[str, str | None]:
        """Keys are what the file contains, byte for byte, unless their type was declared."""
        declared = self._job.dataset.column_types
        return {name: declared.get(name) for name in keys}

    def _model(self, ref: ModelRef, choice: Chosen | None) -> Prepared:
        job, manifest = self._job, self._manifest(ref)
        recipe, code = manifest.recipe, model_code(manifest)
        unit: Unit = "block" if recipe.row_wise else "partition"
        scorer = ModelSpec(ref, recipe.digest, code, job.spec, job.trusted_types, unit)
        columns = job.spec.columns(manifest.signature.outputs, manifest.estimator)
        keys = self._keys(manifest)
        return Prepared(
            scorer,
            self._types(manifest),
            self._key_types(keys),
            keys,
            ref,
            {name: [column.method, column.name] for name, column in columns.items()},
            choice,
        )

    def _by_column(self, models: ModelByColumn) -> Prepared:
        job = self._job
        if self._set is None:
            self._set = save_set(models, job.output / "_models")
        manifest = self._manifest(self._set.like)
        if not manifest.recipe.row_wise:
            raise RecipeError(
                f"row_wise=False: a recipe over whole partitions does not go with a model for each {models.column!r}"
            )
        keys = self._keys(manifest)
        outputs = self._output_types(manifest)
        digest, code = manifest.recipe.digest, model_code(manifest)
        scorer = ModelByColumnSpec(self._set, models.column, digest, code, job.spec, outputs, job.trusted_types)
        return Prepared(scorer, self._types(manifest), self._key_types((*keys, models.column)), keys)

    def _function(self, job: FunctionJob, partition: Partition) -> Prepared:
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
        scorer = FunctionSpec(pinned, job.function.digest, outputs, job.group_by, job.row_wise, declared)
        return Prepared(scorer, types, self._key_types(keys), keys)
