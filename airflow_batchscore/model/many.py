"""Train many models in one task: one for each set of a model's partitions, or for each value of a column."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.errors import BatchScoreError, InputChangedError, InputError, ModelError, RecipeError
from airflow_batchscore.model.choice import filled, template_fields
from airflow_batchscore.model.reference import check_name, set_alias
from airflow_batchscore.model.training import TrainingData, TrainingJob, look, train
from airflow_batchscore.model.training_code import require_code, training_code
from airflow_batchscore.model.training_rows import as_share, read_raw, read_texts

log = logging.getLogger(__name__)

#: How a function is run over arguments, somewhere; see `Session.run`.
Run = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], Iterator[Any]]
_MOST_NAMED = 20


@dataclass(frozen=True)
class One:
    """A model to train: what it is for, and the job.

    Attributes:
        segment: a value of the data that becomes part of a path.
        code: what a worker's must be; see `training_code`.
    """

    name: str
    job: TrainingJob
    data: TrainingData | None = None
    alias: str | None = None
    segment: str | None = None
    code: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came of one model: trained now, there before, or why it failed."""

    name: str
    model: str | None = None
    reused: bool = False
    problem: str | None = None


@dataclass
class ManyTrained:
    """What came of all."""

    trained: int = 0
    reused: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def to_dict(self, model: str) -> dict[str, Any]:
        """The short form that goes through XCom."""
        some = dict(sorted(self.failed.items())[:_MOST_NAMED])
        return {"model": model, "trained": self.trained, "reused": self.reused, "failed": len(self.failed), "why": some}


def train_many(job: TrainingJob, run: Run, *, alias: str | None = None, max_failed: int = 0) -> ManyTrained:
    """A model for each value of the fields in ``job.model_uri``, fields of the data set or one column.

    Args:
        run: where they are trained.
        alias: name to point at each new version.
        max_failed: models that may fail without failing the rest; those that were trained stay in any case, and a
            retry finds them.

    Raises:
        InputError: the fields are neither all the data set's, nor one column.
        ModelError: more than `max_failed` failed; each is named with its reason.
    """
    fields = template_fields(job.model_uri)
    own = [name for name in fields if name in job.dataset.fields]
    if own == fields:
        ones = _by_partition(job, alias)
    elif len(fields) == 1:
        ones = _by_column(job, fields[0], alias)
    else:
        raise InputError(
            f"model_uri={job.model_uri!r}: its fields {fields} must be fields of the data set "
            f"({list(job.dataset.fields)}), or one column"
        )
    found = ManyTrained()
    code = training_code(job)
    for outcome in run(train_one, [(replace(one, code=code),) for one in ones]):
        if outcome.problem is not None:
            found.failed[outcome.name] = outcome.problem
            log.warning("%s: not trained: %s", outcome.name, outcome.problem)
        elif outcome.reused:
            found.reused += 1
        else:
            found.trained += 1
    if len(found.failed) > max_failed:
        some = "; ".join(f"{name}: {why}" for name, why in sorted(found.failed.items())[:_MOST_NAMED])
        raise ModelError(
            f"{len(found.failed)} of {len(ones)} models could not be trained, max_failed={max_failed}: {some}. The "
            "others are saved; a retry trains only these"
        )
    return found


def train_one(one: One) -> Outcome:
    """Train a model and point its alias at it; a failure that a retry cannot fix is an outcome.

    Raises:
        EngineError: this worker has other code than the task.
        InputChangedError: a file changed while it was read, which a retry fixes.
    """
    require_code(one.job, one.code)
    try:
        if one.segment is not None:
            check_name(one.segment, "value")
        trained = train(one.job, data=one.data)
    except InputChangedError:
        raise
    except BatchScoreError as error:
        return Outcome(one.name, problem=f"{type(error).__name__}: {error}")
    if one.alias:
        set_alias(one.job.model_uri, one.alias, trained.ref, one.job.began)
    return Outcome(one.name, trained.ref.uri, trained.reused)


def _by_partition(job: TrainingJob, alias: str | None) -> list[One]:
    groups: dict[str, list[Partition]] = {}
    for partition in job.found():
        groups.setdefault(filled(job.model_uri, partition.values), []).append(partition)
    return [One(uri, replace(job, model_uri=uri, partitions=some), None, alias) for uri, some in groups.items()]


def _by_column(job: TrainingJob, column: str, alias: str | None) -> list[One]:
    """The rows are read once and kept, so the partitions must fit into memory."""
    if job.holdout not in (None, "") and as_share(job.holdout) is None:
        raise InputError(f"holdout={job.holdout!r}: with a model for each {column} give a share, such as 0.2")
    if not job.recipe.row_wise:
        raise RecipeError(f"row_wise=False: a recipe over whole partitions does not go with a model for each {column}")
    import pyarrow as pa

    data = look(job, [column])
    raw = read_raw(job.dataset, data.partitions, data.types)
    found = read_texts(job.dataset, data.partitions, column)  # as scoring finds a row's model by it
    ones, places = [], dict[str, list[int]]()
    for row, text in enumerate(found):  # pandas' own groups take a text to end at its first NUL
        if text:
            places.setdefault(text, []).append(row)
    for value, rows in sorted(places.items()):
        only = f"{column}={value}"
        uri = job.model_uri.replace(f"{{{column}}}", str(value))
        table = raw.take(pa.array(rows))
        one = One(only, replace(job, model_uri=uri), replace(data, table=table, only=only), alias, segment=str(value))
        ones.append(one)
    if not ones:
        raise InputError(f"the column {column!r} has no value in any row: there is no model to train")
    return ones
