"""Trains many models in one task: one per set of field values in a model's name, or one per value of a column."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.errors import BatchScoreError, InputChangedError, InputError, ModelError, RecipeError, listed
from airflow_batchscore.model.name_template import filled, template_fields
from airflow_batchscore.model.reference import GivenModel, check_name, set_alias
from airflow_batchscore.training.code import require_code, training_code
from airflow_batchscore.training.rows import as_share, read_raw, read_texts
from airflow_batchscore.training.train import TrainingData, TrainingJob, train, training_data

log = logging.getLogger(__name__)

#: How to run a function over arguments; see `Session.run`.
Run = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], Iterator[Any]]
_MOST_NAMED = 20


@dataclass(frozen=True)
class ModelToTrain:
    """A model to train: its segment and its job.

    Attributes:
        segment: a value from the data that becomes part of a path.
        by: who moves its alias; see `set_alias`.
        code: what the worker's code must be; see `training_code`.
    """

    name: str
    job: TrainingJob
    data: TrainingData | None = None
    alias: str | None = None
    segment: str | None = None
    by: str = ""
    code: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The outcome for one model: trained now, already there, or the reason it failed."""

    name: str
    model: str | None = None
    reused: bool = False
    problem: str | None = None


@dataclass
class ManyTrained:
    """The outcome for all models."""

    trained: int = 0
    reused: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def to_dict(self, model: str) -> JsonObject:
        """The short form sent by XCom."""
        first = dict(sorted(self.failed.items())[:_MOST_NAMED])
        counts = {"trained": self.trained, "reused": self.reused, "failed": len(self.failed)}
        return {**GivenModel(model).to_dict(), **counts, "why": first}


def train_many(
    job: TrainingJob, run: Run, *, alias: str | None = None, max_failed: int = 0, by: str = ""
) -> ManyTrained:
    """Train a model for each value of the fields in ``job.model_uri``: fields of the dataset, or one column.

    Args:
        run: runs the training jobs.
        alias: name to point at each new version.
        max_failed: number of models that may fail without failing the rest; trained models are kept in any case, and a
            retry finds them.
        by: who moves the aliases; see `set_alias`.

    Raises:
        InputError: the fields are neither all fields of the dataset nor one column.
        ModelError: more than `max_failed` failed; names each with its reason.
    """
    fields = template_fields(job.model_uri)
    own = [name for name in fields if name in job.dataset.fields]
    if own == fields:
        models = _by_partition(job, alias)
    elif len(fields) == 1:
        models = _by_column(job, fields[0], alias)
    else:
        raise InputError(
            f"model_uri={job.model_uri!r}: its fields {fields} must be fields of the dataset "
            f"({list(job.dataset.fields)}), or one column"
        )
    result = ManyTrained()
    code = training_code(job)
    for outcome in run(train_one, [(replace(model, code=code, by=by),) for model in models]):
        if outcome.problem is not None:
            result.failed[outcome.name] = outcome.problem
            log.warning("%s: not trained: %s", outcome.name, outcome.problem)
        elif outcome.reused:
            result.reused += 1
        else:
            result.trained += 1
    if len(result.failed) > max_failed:
        first = listed((f"{name}: {why}" for name, why in sorted(result.failed.items())), "; ")
        raise ModelError(
            f"{len(result.failed)} of {len(models)} models could not be trained, max_failed={max_failed}: {first}. The "
            "others are saved; a retry trains only these"
        )
    return result


def train_one(model: ModelToTrain) -> Outcome:
    """Train a model and point its alias at it; a failure that a retry cannot fix is returned as an outcome.

    Raises:
        EngineError: this worker's code differs from the task's.
        InputChangedError: a file changed while being read, which a retry fixes.
    """
    require_code(model.job, model.code)
    try:
        if model.segment is not None:
            check_name(model.segment, "value")
        trained = train(model.job, data=model.data)
    except InputChangedError:
        raise
    except BatchScoreError as error:
        return Outcome(model.name, problem=f"{type(error).__name__}: {error}")
    if model.alias:
        set_alias(model.job.model_uri, model.alias, trained.ref, model.job.began, model.by)
    return Outcome(model.name, trained.ref.uri, trained.reused)


def _by_partition(job: TrainingJob, alias: str | None) -> list[ModelToTrain]:
    groups: dict[str, list[Partition]] = {}
    for partition in job.find_partitions():
        groups.setdefault(filled(job.model_uri, partition.values), []).append(partition)
    jobs = {uri: replace(job, model_uri=uri, partitions=partitions) for uri, partitions in groups.items()}
    return [ModelToTrain(uri, model_job, None, alias) for uri, model_job in jobs.items()]


def _by_column(job: TrainingJob, column: str, alias: str | None) -> list[ModelToTrain]:
    """One job per value. The rows are read once and kept, so the partitions must fit into memory."""
    if job.holdout not in (None, "") and as_share(job.holdout) is None:
        raise InputError(f"holdout={job.holdout!r}: with a model for each {column} give a share, such as 0.2")
    if not job.recipe.row_wise:
        raise RecipeError(f"row_wise=False: a recipe over whole partitions does not go with a model for each {column}")
    import pyarrow as pa

    data = training_data(job, [column])
    raw = read_raw(job.dataset, data.partitions, data.source.types)
    texts = read_texts(job.dataset, data.partitions, column)  # as scoring looks up a row's model
    models, places = [], dict[str, list[int]]()
    for row, text in enumerate(texts):  # pandas' own grouping ends a string at its first NUL
        if text:
            places.setdefault(text, []).append(row)
    for value, rows in sorted(places.items()):
        only = f"{column}={value}"
        uri = job.model_uri.replace(f"{{{column}}}", str(value))
        table = raw.take(pa.array(rows))
        model = ModelToTrain(
            only, replace(job, model_uri=uri), replace(data, table=table, only=only), alias, segment=str(value)
        )
        models.append(model)
    if not models:
        raise InputError(f"the column {column!r} has no value in any row: there is no model to train")
    return models
