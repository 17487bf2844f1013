"""What Airflow's database holds of a run, as records for its page. The caller asks the auth manager first.

Four queries, whatever the number of tasks. XComs are unsealed before anything of them is believed; lists that they keep
in files are read in the background, and remembered by the seal that names them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from airflow._shared.timezones import timezone
from airflow.models.dagrun import DagRun
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import select

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.operators.seal import unseal
from airflow_batchscore.operators.stored_lists import full, is_inline
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plugin.reads import Reads
from airflow_batchscore.plugin.stored_state import stored_failure, stored_gate, stored_progress
from airflow_batchscore.publish.progress import FAILURE_KEY, GATE_KEY, PROGRESS_KEY
from airflow_batchscore.publish.published import PublishedRun
from airflow_batchscore.publish.run_view_records import KINDS, Drifts, Instance, Kind, Problem, RunRecords, TaskRecord
from airflow_batchscore.scoring.scored import ScoredTask

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T", PlanEntry, ScoredTask, PublishedRun)

#: Of tasks of these kinds, what they returned is read, and the purpose that it is sealed for.
_PURPOSES: dict[Kind, str] = {
    "plan": "plan",
    "score": "scores",
    "check_scores": "audit",
    "combine": "publication",
}
#: A page of a run waits for storage no longer than this.
SECONDS = 2.0
_lists: Reads[JsonMapping] = Reads(most=4096)

_NOTHING_RETURNED = (
    "The task is marked as a success, but it returned nothing: somebody marked it, or deleted what it returned. Clear "
    "it to run it; partitions that are committed are not scored again."
)


@dataclass(frozen=True)
class StoredRun:
    """A run as the database has it. Times are Airflow's, UTC.

    Attributes:
        tasks: those of this package.
        texts: key of the task state store -> task -> the text that is stored.
        returned: what tasks returned, sealed; of tasks that run again, what an earlier try did.
    """

    dag_id: str
    run_id: str
    state: str | None
    started: datetime | None
    ended: datetime | None
    tasks: list[TaskRecord]
    texts: Mapping[str, Mapping[Instance, str]]
    returned: Sequence[tuple[Instance, object]]


@dataclass
class _Returned:
    """What tasks returned, and what cannot be used of it."""

    run: str
    values: dict[Instance, list[JsonObject]] = field(default_factory=dict)
    problems: dict[Instance, Problem] = field(default_factory=dict)

    def take(self, task: TaskRecord, value: object) -> None:
        """Unseal what a task returned."""
        items = value if isinstance(value, list) and task.kind == "plan" else [value]
        purpose, name = _PURPOSES[task.kind], f"what {task.name} returned"
        try:
            self.values[task.instance] = [
                unseal(name, item, purpose, self.run, {task.task_id}, task.map_index) for item in items
            ]
        except (BatchScoreError, TypeError, ValueError) as error:
            self.add(task.instance, error)

    def add(self, instance: Instance, error: Exception) -> None:
        self.problems.setdefault(instance, Problem(instance, type(error).__name__, str(error)))

    def parsed(self, tasks: Collection[TaskRecord], read: Callable[[JsonMapping], T]) -> dict[Instance, list[T]]:
        """The values of these tasks, with lists that lie in files; tasks of which one cannot be read are left out."""
        wanted: dict[Hashable, Callable[[], JsonMapping]] = {}
        for task in tasks:
            for at, value in enumerate(self.values.get(task.instance, [])):
                if not is_inline(value):
                    wanted[self.run, task.instance, at, repr(value)] = partial(_filled, value)
        filled, errors = _lists.get_all(wanted, SECONDS) if wanted else ({}, {})
        found: dict[Instance, list[T]] = {}
        for task in tasks:
            try:
                parsed = []
                for at, value in enumerate(self.values.get(task.instance, [])):
                    name = None if is_inline(value) else (self.run, task.instance, at, repr(value))
                    if name in errors:
                        raise errors[name]
                    parsed.append(read(value if name is None else filled[name]))
                if parsed:
                    found[task.instance] = parsed
            except (BatchScoreError, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
                self.add(task.instance, error)
        return found


def read_run(session: Session, dag_id: str, run_id: str) -> StoredRun | None:
    """The state of a run; None if there is no such run. Reads the database alone."""
    run = session.execute(
        select(DagRun.state, DagRun.start_date, DagRun.end_date).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
    ).first()
    if run is None:
        return None
    tasks = _tasks(session, dag_id, run_id)
    done = {task.task_id for task in tasks if task.state == "success" and task.kind in _PURPOSES}
    return StoredRun(
        dag_id=dag_id,
        run_id=run_id,
        state=run.state,
        started=run.start_date,
        ended=run.end_date,
        tasks=tasks,
        texts=_task_states(session, dag_id, run_id) if tasks else {},
        returned=_xcoms(session, dag_id, run_id, done) if done else [],
    )


def records_of(run: StoredRun) -> RunRecords:
    """Unseal what tasks returned, and fetch the lists that lie in files. What cannot be used becomes a problem."""
    returned = _Returned(f"{run.dag_id}/{run.run_id}")
    done = {task.instance: task for task in run.tasks if task.state == "success" and task.kind in _PURPOSES}
    for instance, value in run.returned:
        if instance in done:  # of another try, until the task runs again
            returned.take(done[instance], value)
    for task in done.values():
        if task.kind == "score" and task.instance not in returned.values:
            returned.problems.setdefault(task.instance, Problem(task.instance, "NothingReturned", _NOTHING_RETURNED))
    of = {kind: [task for task in done.values() if task.kind == kind] for kind in _PURPOSES}
    return RunRecords(
        dag_id=run.dag_id,
        run_id=run.run_id,
        state=run.state,
        started=run.started,
        ended=run.ended,
        now=timezone.utcnow(),
        tasks=run.tasks,
        plans=list(returned.parsed(of["plan"], PlanEntry.from_dict).values()),
        scored=_only(returned.parsed(of["score"], ScoredTask.from_dict)),
        progress=_each(run.texts.get(PROGRESS_KEY), stored_progress),
        failures=_each(run.texts.get(FAILURE_KEY), stored_failure),
        gates=_each(run.texts.get(GATE_KEY), stored_gate),
        drifts=_drifts(returned, of["check_scores"]),
        published=_only(returned.parsed(of["combine"], PublishedRun.from_dict)),
        problems=list(returned.problems.values()),
    )


def _drifts(returned: _Returned, checks: Sequence[TaskRecord]) -> Drifts:
    """What the last check says of itself; see `run_storage.with_drifts` for its partitions."""
    last = max(checks, key=lambda task: task.ended or timezone.utcnow(), default=None)
    for value in returned.values.get(last.instance, []) if last else []:
        return Drifts(worst=value.get("max_drift"))
    return Drifts()


def _filled(value: JsonMapping) -> JsonMapping:
    (filled,) = full([value])
    return filled  # type: ignore[no-any-return]


def _only(values: Mapping[Instance, list[T]]) -> dict[Instance, T]:
    return {instance: each[0] for instance, each in values.items()}


def _tasks(session: Session, dag_id: str, run_id: str) -> list[TaskRecord]:
    column = TaskInstance.__table__.c
    rows = session.execute(
        select(
            *(column.task_id, column.map_index, column.operator, column.state, column.try_number, column.max_tries),
            *(column.hostname, column.start_date, column.end_date, column.rendered_map_index),
        )
        .where(column.dag_id == dag_id, column.run_id == run_id, column.operator.in_(KINDS))
        .order_by(column.task_id, column.map_index)
    )
    return [
        TaskRecord(
            task_id=row.task_id,
            map_index=row.map_index,
            kind=KINDS[row.operator],
            state=row.state,
            try_number=row.try_number,
            tries=row.max_tries + 1,
            worker=row.hostname or None,
            started=row.start_date,
            ended=row.end_date,
            label=row.rendered_map_index,
        )
        for row in rows
    ]


def _task_states(session: Session, dag_id: str, run_id: str) -> dict[str, dict[Instance, str]]:
    """Key -> task -> text, as it is stored."""
    store = TaskStateStoreModel
    rows = session.execute(
        select(store.key, store.task_id, store.map_index, store.value).where(
            store.dag_id == dag_id, store.run_id == run_id, store.key.in_((PROGRESS_KEY, FAILURE_KEY, GATE_KEY))
        )
    )
    found: dict[str, dict[Instance, str]] = {}
    for key, task_id, map_index, value in rows:
        found.setdefault(key, {})[task_id, map_index] = value
    return found


def _each(texts: Mapping[Instance, str] | None, read: Callable[[str], Any]) -> dict[Instance, Any]:
    parsed = {instance: read(text) for instance, text in (texts or {}).items()}
    return {instance: value for instance, value in parsed.items() if value is not None}


def _xcoms(session: Session, dag_id: str, run_id: str, task_ids: Collection[str]) -> list[tuple[Instance, object]]:
    """What these tasks returned, as stored: an edited value is checked before it becomes objects."""
    xcom = XComModel
    rows = session.execute(
        select(xcom.task_id, xcom.map_index, xcom.value).where(
            xcom.dag_id == dag_id, xcom.run_id == run_id, xcom.key == "return_value", xcom.task_id.in_(task_ids)
        )
    )
    return [((task_id, map_index), value) for task_id, map_index, value in rows]
