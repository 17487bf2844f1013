"""What the operators share: they render arguments, call one function of a lower layer, and return JSON."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk.exceptions import AirflowFailException

from airflow_batchscore.data.json_types import Json, JsonMapping, JsonObject
from airflow_batchscore.errors import InputError
from airflow_batchscore.operators.announcing import AnnouncingOperator
from airflow_batchscore.operators.authored import argument, kind_of
from airflow_batchscore.operators.failing import ERRORS, begin_try, failed
from airflow_batchscore.operators.seal import require_key, seal, unseal
from airflow_batchscore.operators.supervised import die_with_supervisor
from airflow_batchscore.operators.task_store import TaskStore
from airflow_batchscore.preload import require_current
from airflow_batchscore.publish.progress import FAILURE_KEY

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.definitions.mappedoperator import MappedOperator

    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.model.reference import GivenModel, ModelRef
    from airflow_batchscore.model.trust import Trust
    from airflow_batchscore.publish.state import ScoringRun

T = TypeVar("T", int, float)


class BatchScoreOperator(AnnouncingOperator):
    """An operator whose own errors fail the task at once, because a retry cannot fix them; all other errors retry."""

    ui_color = "#e2f0e9"
    dataset: PartitionedDataset

    #: What the task keeps for pages, and what of it is of one try only.
    store = TaskStore({})
    kept_of_a_try: tuple[str, ...] = (FAILURE_KEY,)
    #: The partitions that the task works on, for messages that name none.
    partition_label = ""

    def execute(self, context: Context) -> object:
        die_with_supervisor()
        self.store = TaskStore(context)
        try:
            begin_try(context, self.store, self.kept_of_a_try)
            require_current()
            require_key()
            self._leave_out_nothing()
            self.require_authored(context)
            try:
                return self.run_stage(context)
            finally:
                self.announce(context)
        except ERRORS as error:
            raise failed(self, context, self.store, error)  # noqa: B904 - it says what it was caused by

    def _leave_out_nothing(self) -> None:
        """Use the default for an argument whose template rendered ``None``, such as a param that was left empty.

        Templates render text, or native objects where the DAG says so.
        """
        defaults = inspect.signature(type(self).__init__).parameters
        for name in self.template_fields:
            default = defaults[name].default if name in defaults else inspect.Parameter.empty
            value = getattr(self, name)
            is_none = value is None or (isinstance(value, str) and value == "None")
            if is_none and default is not inspect.Parameter.empty:
                setattr(self, name, default)

    def handed_on(self, value: JsonMapping, purpose: str, context: Context) -> JsonObject:
        """`value`, sealed for the tasks of this run."""
        return seal(value, purpose, run_name(context), self.task_id, _map_index(context))

    def taken(self, value: object, purpose: str, context: Context, field: str) -> JsonObject:
        """What a task of this run passed as the argument `field`. Raises GateError for anything else."""
        tasks = self._own_producers(field)
        task_ids = {task.task_id for task in tasks} if tasks else None
        index = _map_index(context) if tasks and self.is_of_same_instance(tasks) else None
        return unseal(field, as_mapping(value), purpose, run_name(context), task_ids, index)

    def model_given(self, field: str, context: Context) -> GivenModel | None:
        """The argument `field`: the name of a model, or the output of a task that trained, imported or checked one.

        If the DAG passes the output of such a task, a name is refused. None if nothing was given.
        """
        from airflow_batchscore.model.reference import GivenModel

        value = as_mapping(argument(self, field))
        if self._own_producers(field) or isinstance(value, Mapping):
            return GivenModel.from_dict(self.taken(value, "model", context, field))
        return GivenModel(str(value)) if value else None

    def _own_producers(self, field: str) -> list[BaseOperator | MappedOperator]:
        """`producers` where all are operators of this package; none if a task of another kind comes in between."""
        tasks = self.producers(field)
        return tasks if all(issubclass(kind_of(task), BatchScoreOperator) for task in tasks) else []

    def model_ref(self, field: str, context: Context) -> tuple[ModelRef, Trust]:
        """The model that the argument `field` names, and the trust to load it with; it must be where the author said.

        Raises:
            InputError, ModelError: it does not exist or is not trusted.
        """
        from airflow_batchscore.connections import connect
        from airflow_batchscore.data.storage import Location
        from airflow_batchscore.model.reference import resolve
        from airflow_batchscore.model.trust import ModelAccess
        from airflow_batchscore.operators.trust import model_trust

        model, trust = self.model_given(field, context), model_trust(self, context, field)
        if model is None:
            raise InputError(f"{field}={getattr(self, field)!r} names no model")
        location = connect(Location(model.name, argument(self, "conn_id")))
        return resolve(model, ModelAccess(location.conn_id, trust)), trust

    @abstractmethod
    def run_stage(self, context: Context) -> Json:
        """The stage's work; its return value becomes the XCom."""

    def on_kill(self) -> None:
        """End the process. On SIGTERM Airflow only calls this and would leave the work running until SIGKILL."""
        raise SystemExit(143)


def as_bool(value: object) -> bool:
    """A flag that a template may have turned into text."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text not in ("true", "false", "1", "0", "yes", "no", "", "none"):
            raise AirflowFailException(f"{value!r} is neither true nor false")
        return text in ("true", "1", "yes")
    return bool(value)


def if_given(value: Any, default: Any = None) -> Any:
    """`value`, or `default` where the argument was left out or its template rendered empty text; 0 is given."""
    return default if value is None or value == "" else value


def as_number(value: Any, name: str, kind: type[T]) -> T:
    """A number that a template may have turned into text. Raises InputError that names the argument."""
    number: T | None = None
    with suppress(TypeError, ValueError, OverflowError):
        number = kind(value)
    if number is None or number != number or (isinstance(value, float) and number != value):
        raise InputError(f"{name}={value!r}: give a {'whole number' if kind is int else 'number'}")
    return number


def as_mapping(value: object) -> Json:
    """A JSON object that a template may have turned into text (``"{'a': 1}"``); anything else unchanged.

    Raises InputError for text that begins like an object but is not one.
    """
    if isinstance(value, str) and value.lstrip().startswith("{"):
        from airflow_batchscore.data.request import parse_literal

        return parse_literal(value.strip(), "the argument ", 'write a JSON object such as {"a": 1}')
    return value


def _map_index(context: Context) -> int:
    index = context["ti"].map_index
    return -1 if index is None else index


def run_name(context: Mapping[str, Any]) -> str:
    """``<dag_id>/<run_id>``."""
    return scoring_run(context).name


def task_name(context: Mapping[str, Any]) -> str:
    """What distinguishes a task of a run from the others."""
    from airflow_batchscore.publish.runs import run_task

    return run_task(context["ti"].task_id, context["ti"].map_index)


def scoring_run(context: Mapping[str, Any]) -> ScoringRun:
    """What identifies the run."""
    from airflow_batchscore.publish.state import ScoringRun

    run = context["dag_run"]
    key = getattr(run, "partition_key", None)
    return ScoringRun(str(run.dag_id), str(run.run_id), str(key) if key else None)
