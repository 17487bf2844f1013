"""An imported model becomes a version: read, checked against known predictions, measured and saved."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from airflow_batchscore.model import made_with
from airflow_batchscore.model.features import fitted_on
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.model.trust import ModelAccess
from airflow_batchscore.training.imported import import_model
from airflow_batchscore.training.imported_check import Check, check_predictions
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train, training_data

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImportJob:
    """What to import, and what to measure it on. See `import_model` and `ImportModelOperator` for the fields.

    Attributes:
        version: how it becomes a version; the model takes the place of its `estimator`.
    """

    source: str | Callable[[], object] | FunctionRef
    version: TrainingJob
    access: ModelAccess
    flavor: str = "auto"
    sha256: str | None = None
    check: Check | None = None

    def sent(self) -> tuple[ImportJob, list[str | FunctionRef]]:
        """The arguments of `import_there`, with functions by import path, or by value."""
        source = self.source if isinstance(self.source, (str, FunctionRef)) else FunctionRef.of(self.source)
        metrics = [each if isinstance(each, str) else FunctionRef.of(each) for each in self.version.metrics or ()]
        return replace(self, source=source, version=replace(self.version, metrics=None)), metrics


def import_version(job: ImportJob) -> TrainedModel:
    """Import the model, check it and save it as a version, or find that version.

    Raises:
        BatchScoreError: see `import_model`, `check_predictions` and `train`.
    """
    imported = import_model(job.source, flavor_name=job.flavor, sha256=job.sha256, access=job.access)
    version = replace(job.version, estimator=imported, recipe=_with_columns(job.version.recipe, imported.estimator))
    data = training_data(version)
    with made_with.named(lambda: imported.other_versions):
        if job.check is not None:
            kind = imported.flavor if imported.data is None else None
            types = data.source.types
            rows = check_predictions(imported.estimator, version.recipe, job.check, version.dataset, types, kind)
            log.info("predictions are as expected for the %d rows of check=", rows)
        return train(version, data=data)


def _with_columns(recipe: Recipe, estimator: object) -> Recipe:
    """The recipe; one that names neither a function nor columns gets those that the model was fitted on."""
    names = fitted_on(estimator)
    if recipe.features is not None or recipe.columns is not None or not names:
        return recipe
    recipe = copy.copy(recipe)
    recipe.columns = names
    return recipe


def import_there(tell: object, job: ImportJob, metrics: Sequence[str | FunctionRef]) -> tuple[ModelRef, bool]:
    """`import_version` in another Python (`engine.environments.calls`).

    Args:
        tell: there is no news.
        metrics: of the job; empty for the default.

    Returns:
        The version, and whether it existed.
    """
    loaded = [each.load() if isinstance(each, FunctionRef) else each for each in metrics]
    trained = import_version(replace(job, version=replace(job.version, metrics=loaded or None)))
    return trained.ref, trained.reused
