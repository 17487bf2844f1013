"""The code that training runs: part of the version's name, and compared with what a worker has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import EngineError
from airflow_batchscore.model.digest import value_digest
from airflow_batchscore.model.fitting import is_factory
from airflow_batchscore.model.functions import FunctionRef, stale
from airflow_batchscore.model.imported import ImportedModel
from airflow_batchscore.model.measure import metric_names
from airflow_batchscore.model.model_code import own_code

if TYPE_CHECKING:
    from airflow_batchscore.model.training import TrainingJob


def describe(given: Any, estimator: Any) -> list[str]:
    """What identifies an estimator.

    Args:
        given: what the job has: an estimator, a factory or the import path of one, or an imported model.
        estimator: what was made of it.

    Raises RecipeError: a parameter cannot be written down the same way in every process.
    """
    if isinstance(given, ImportedModel):
        return [_given(given), *(FunctionRef(path).digest for path in own_code(estimator))]
    name = f"the estimator {type(estimator).__name__}"
    if not is_factory(given):
        return [value_digest(estimator, name)]
    # The factory's code says what is made; its parameters can come from elsewhere, such as the environment.
    parameters = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
    return [_given(given), value_digest([type(estimator), parameters], name)]


def training_code(job: TrainingJob) -> dict[str, str]:
    """Digests of what `train` runs for a job, by what they are of."""
    return {
        "the recipe": job.recipe.training_digest,
        "the estimator": _given(job.estimator),
        "the flavour": flavor_code(job.flavor),
        "the metrics": " ".join(metric_names(job.metrics)),
    }


def require_code(job: TrainingJob, expected: dict[str, str]) -> None:
    """Raises EngineError unless the code here is what `training_code` gave in the task."""
    here = training_code(job)
    differ: Sequence[str] = [name for name, digest in expected.items() if here[name] != digest]
    if differ:
        paths = [ref.path for ref in (job.recipe.features, job.recipe.target) if ref is not None]
        which = f" ({', '.join(paths)})" if "the recipe" in differ and paths else ""
        raise EngineError(stale(" and ".join(differ) + which))


def flavor_code(name: str) -> str:
    """What identifies a flavour: its name, and the code of the user's own."""
    return f"{name} {FunctionRef(name).digest}" if ":" in name else name


def _given(estimator: Any) -> str:
    if isinstance(estimator, ImportedModel):
        return f"imported {estimator.identity}"
    if is_factory(estimator):
        return FunctionRef.of(estimator).digest
    return value_digest(estimator, f"the estimator {type(estimator).__name__}")
