"""What the operators share: they render arguments, call one function of a ground floor, and return JSON."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk.exceptions import AirflowFailException

from airflow_batchscore.errors import BatchScoreError, InputChangedError, InputError
from airflow_batchscore.operators.places import PlacedOperator
from airflow_batchscore.operators.seal import seal, unseal
from airflow_batchscore.operators.supervised import die_with_supervisor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.data.dataset import PartitionedDataset

T = TypeVar("T", int, float)


class BatchScoreOperator(PlacedOperator):
    """An operator whose own errors fail the task at once, because a retry cannot fix them; all others retry."""

    ui_color = "#e2f0e9"
    dataset: PartitionedDataset

    def execute(self, context: Context) -> Any:
        die_with_supervisor()
        with failing_at_once():
            self.require_authored(context)
            return self.run_stage(context)

    def handed_on(self, value: Mapping[str, Any], purpose: str, context: Context) -> dict[str, Any]:
        """`value`, sealed for the tasks of this run."""
        return seal(value, purpose, run_name(context), self.task_id)

    def taken(self, value: Any, purpose: str, context: Context, field: str) -> dict[str, Any]:
        """What a task of this run handed on as the argument `field`. Raises GateError for anything else."""
        tasks = self.producers(field)
        # Where a task of another kind comes between, it is not known whose it was.
        ours = bool(tasks) and all(issubclass(kind, BatchScoreOperator) for kind in tasks.values())
        return unseal(as_mapping(value), purpose, run_name(context), tasks if ours else None)

    def model_given(self, field: str, context: Context) -> Any:
        """The argument `field`: the name of a model, or what a task returned that trained, imported or checked one."""
        value = as_mapping(getattr(self, field))
        return self.taken(value, "model", context, field) if isinstance(value, Mapping) else value

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
