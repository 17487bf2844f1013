"""What the operators share: they render arguments, call one function of a ground floor, and return JSON."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk.exceptions import AirflowFailException

from airflow_batchscore.errors import BatchScoreError, InputChangedError, InputError
from airflow_batchscore.operators.authored import argument, kind_of
from airflow_batchscore.operators.places import PlacedOperator
from airflow_batchscore.operators.seal import require_key, seal, unseal
from airflow_batchscore.operators.supervised import die_with_supervisor

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.definitions.mappedoperator import MappedOperator

    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.model.reference import ModelRef
    from airflow_batchscore.model.trust import Trust

T = TypeVar("T", int, float)


class BatchScoreOperator(PlacedOperator):
    """An operator whose own errors fail the task at once, because a retry cannot fix them; all others retry."""

    ui_color = "#e2f0e9"
    dataset: PartitionedDataset

    def execute(self, context: Context) -> Any:
        die_with_supervisor()
        with failing_at_once():
            require_key()
            self._leave_out_nothing()
            self.require_authored(context)
            return self.run_stage(context)

    def _leave_out_nothing(self) -> None:
        """An argument for which a template gave ``None``, such as a param that was left empty, is as by default."""
        defaults = inspect.signature(type(self).__init__).parameters
        for name in self.template_fields:
            default = defaults[name].default if name in defaults else inspect.Parameter.empty
            if getattr(self, name) == "None" and default is not inspect.Parameter.empty:
                setattr(self, name, default)

    def handed_on(self, value: Mapping[str, Any], purpose: str, context: Context) -> dict[str, Any]:
        """`value`, sealed for the tasks of this run."""
        return seal(value, purpose, run_name(context), self.task_id, _map_index(context))

    def taken(self, value: Any, purpose: str, context: Context, field: str) -> dict[str, Any]:
        """What a task of this run handed on as the argument `field`. Raises GateError for anything else."""
        tasks = self._own_producers(field)
        task_ids = {task.task_id for task in tasks} if tasks else None
        index = _map_index(context) if tasks and self.is_of_same_instance(tasks) else None
        return unseal(field, as_mapping(value), purpose, run_name(context), task_ids, index)

    def model_given(self, field: str, context: Context) -> Any:
        """The argument `field`: the name of a model, or what a task returned that trained, imported or checked one.

        Where the DAG hands on what such a task returned, a name will not do.
        """
        value = as_mapping(getattr(self, field))
        sealed = self._own_producers(field) or isinstance(value, Mapping)
        return self.taken(value, "model", context, field) if sealed else value

    def _own_producers(self, field: str) -> list[BaseOperator | MappedOperator]:
        """`producers` where all are operators of this package; none where another kind of task comes between."""
        tasks = self.producers(field)
        return tasks if all(issubclass(kind_of(task), BatchScoreOperator) for task in tasks) else []

    def model_ref(self, field: str, context: Context) -> tuple[ModelRef, Trust]:
        """The model that the argument `field` names, which has to be where the DAG's author said, and what it may hold.

        Raises:
            InputError, ModelError: it is not there, or not to be trusted.
        """
        from airflow_batchscore.connections import connect
        from airflow_batchscore.model.reference import resolve
        from airflow_batchscore.operators.trust import model_trust

        model, trust = self.model_given(field, context), model_trust(self, context, field)
        uri = model["model"] if isinstance(model, Mapping) else model
        return resolve(model, connect(uri, argument(self, "conn_id")), trust), trust

    @abstractmethod
    def run_stage(self, context: Context) -> Any:
        """The stage's work; what it returns becomes the XCom."""

    def on_kill(self) -> None:
        """End the process. Airflow's SIGTERM only calls this, and would leave the work running until SIGKILL."""
        raise SystemExit(143)


@contextmanager
def failing_at_once() -> Iterator[None]:
    """Turn this package's errors into ones that Airflow does not retry where that cannot help, message unchanged."""
    try:
        yield
    except InputChangedError:
        raise
    except BatchScoreError as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error


def as_bool(value: Any) -> bool:
    """A flag that a template may have made into text."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text not in ("true", "false", "1", "0", "yes", "no", "", "none"):
            raise AirflowFailException(f"{value!r} is neither true nor false")
        return text in ("true", "1", "yes")
    return bool(value)


def as_number(value: Any, name: str, kind: type[T]) -> T:
    """A number that a template may have made into text. Raises InputError that names the argument."""
    number: T | None = None
    with suppress(TypeError, ValueError, OverflowError):
        number = kind(value)
    if number is None or number != number or (isinstance(value, float) and number != value):
        raise InputError(f"{name}={value!r}: give a {'whole number' if kind is int else 'number'}")
    return number


def as_mapping(value: Any) -> Any:
    """A JSON object that a template may have made into text (``"{'a': 1}"``); anything else as it is.

    Raises InputError for a text that begins like one and is none.
    """
    if isinstance(value, str) and value.lstrip().startswith("{"):
        from airflow_batchscore.data.request import parse_literal

        return parse_literal(value.strip(), "the argument ", 'write a JSON object such as {"a": 1}')
    return value


def _map_index(context: Context) -> int:
    index = context["ti"].map_index
    return -1 if index is None else index


def run_name(context: Mapping[str, Any]) -> str:
    """``<dag_id>/<run_id>``, by which scores and publications are told apart."""
    run = context["dag_run"]
    return f"{run.dag_id}/{run.run_id}"


def task_name(context: Mapping[str, Any]) -> str:
    """What tells a task of a run from the others."""
    task = context["ti"]
    return str(task.task_id) if task.map_index < 0 else f"{task.task_id}-{task.map_index}"


def run_facts(context: Mapping[str, Any]) -> dict[str, str]:
    """What names a run in reports."""
    run = context["dag_run"]
    facts = {"dag_id": str(run.dag_id), "run_id": str(run.run_id)}
    if getattr(run, "partition_key", None):
        facts["partition_key"] = str(run.partition_key)
    return facts
