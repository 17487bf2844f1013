"""The code that training runs: part of the version's name, and compared with the code on workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import EngineError
from airflow_batchscore.model.digest import value_digest
from airflow_batchscore.model.flavors import flavor
from airflow_batchscore.model.functions import FunctionRef, stale
from airflow_batchscore.model.model_code import own_code
from airflow_batchscore.training.fit import is_factory
from airflow_batchscore.training.imported import ImportedModel
from airflow_batchscore.training.metrics import metric_names

if TYPE_CHECKING:
    from airflow_batchscore.training.train import TrainingJob


def describe(given: object, estimator: object) -> list[str]:
    """Return what identifies an estimator.

    Args:
        given: the job's estimator: an estimator, a factory or its import path, or an imported model.
        estimator: the estimator made from it.

    Raises RecipeError if a parameter cannot be written identically in every process.
    """
    if isinstance(given, ImportedModel):
        named = own_code(estimator) if given.flavor.names_classes else []  # else the bytes hold the code
        return [_given(given), *(FunctionRef(path).digest for path in named)]
    name = f"the estimator {type(estimator).__name__}"
    if not is_factory(given):
        return [value_digest(estimator, name)]
    # The factory's code determines what is made; parameters can come from elsewhere, such as the environment.
    parameters = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
    return [_given(given), value_digest([type(estimator), parameters], name)]


def training_code(job: TrainingJob) -> dict[str, str]:
    """Digests of what `train` runs for a job, by role."""
    return {
        "the recipe": job.recipe.training_digest,
        "the estimator": _given(job.estimator),
        "the flavour": flavor_code(job.flavor),
        "the metrics": " ".join(metric_names(job.metrics)),
    }


def require_code(job: TrainingJob, expected: dict[str, str]) -> None:
    """Raise EngineError unless the local code matches what `training_code` returned in the task."""
    here = training_code(job)
    differ: Sequence[str] = [name for name, digest in expected.items() if here[name] != digest]
    if differ:
        paths = [ref.path for ref in (job.recipe.features, job.recipe.target) if ref is not None]
        which = f" ({', '.join(paths)})" if "the recipe" in differ and paths else ""
        raise EngineError(stale(" and ".join(differ) + which))


def flavor_code(name: str) -> str:
    """What identifies a flavour: its name, or the import path and the code of one that is not this package's."""
    stored = name if name == "auto" else flavor(name).name
    return f"{stored} {FunctionRef(stored).digest}" if ":" in stored else stored


def _given(estimator: Any) -> str:
    if isinstance(estimator, ImportedModel):
        return f"imported {estimator.identity}"
    if is_factory(estimator):
        return FunctionRef.of(estimator).digest
    return value_digest(estimator, f"the estimator {type(estimator).__name__}")
