"""What Airflow's database holds of a run, as records for its page. The caller asks the auth manager first.

A few queries, whatever the number of tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow._shared.timezones import timezone
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import select

from airflow_batchscore.compat import has_task_state_store, task_state_table
from airflow_batchscore.plugin.returned import RETURNING, unsealed
from airflow_batchscore.plugin.scoring_dags import scoring_dags
from airflow_batchscore.plugin.stored_state import stored_failure, stored_gate, stored_progress
from airflow_batchscore.plugin.xcoms import COLUMNS, Returned, returned
from airflow_batchscore.publish.progress import FAILURE_KEY, GATE_KEY, PROGRESS_KEY
from airflow_batchscore.publish.run_view_records import KINDS, Drifts, Instance, Problem, RunRecords, TaskRecord

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

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
    returned: Sequence[Returned]


def read_run(session: Session, dag_id: str, run_id: str) -> StoredRun | None:
    """The state of a run; None if there is no such run. Reads the database alone."""
    run = session.execute(
        select(DagRun.state, DagRun.start_date, DagRun.end_date).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
    ).first()
    if run is None:
        return None
    tasks = _tasks(session, dag_id, run_id)
    done = {task.task_id for task in tasks if task.state == "success" and task.kind in RETURNING}
    return StoredRun(
        dag_id=dag_id,
        run_id=run_id,
        state=run.state,
        started=run.start_date,
        ended=run.end_date,
        tasks=tasks,
        texts=_task_states(session, dag_id, run_id) if tasks else {},
        returned=_returned(session, dag_id, run_id, done) if done else [],
    )


def records_of(run: StoredRun) -> RunRecords:
    """Unseal what tasks returned, and fetch the lists that lie in files. What cannot be used becomes a problem."""
    done = {task.instance: task for task in run.tasks if task.state == "success" and task.kind in RETURNING}
    # Of tasks that run again, it is what an earlier try returned.
    values = [(done[each.instance], each) for each in run.returned if each.instance in done]
    read = unsealed(values)
    silent = set(done) - {task.instance for task, _ in values}
    return RunRecords(
        dag_id=run.dag_id,
        run_id=run.run_id,
        state=run.state,
        started=run.started,
        ended=run.ended,
        now=timezone.utcnow(),
        tasks=run.tasks,
        plans=list(read.plans.values()),
        scored=read.scored,
        progress=_each(run.texts.get(PROGRESS_KEY), stored_progress),
        keeps_state=has_task_state_store(),
        failures=_each(run.texts.get(FAILURE_KEY), stored_failure),
        gates=_each(run.texts.get(GATE_KEY), stored_gate),
        drifts=Drifts(worst=next((checked.figures.max_drift for checked in read.checked.values()), None)),
        published=read.published,
        problems=[
            *read.problems,
            *(
                Problem(task.instance, "NothingReturned", _NOTHING_RETURNED)
                for task in run.tasks
                if task.kind == "score" and task.instance in silent
            ),
        ],
    )


def _tasks(session: Session, dag_id: str, run_id: str) -> list[TaskRecord]:
    column = TaskInstance.__table__.c
    # A class of the user's that extends one of ours shows in the DAG alone.
    kinds = {task.task_id: task.kind for task in scoring_dags(session, {dag_id}).get(dag_id, ())}
    rows = session.execute(
        select(
            *(column.task_id, column.map_index, column.operator, column.state, column.try_number, column.max_tries),
            *(column.hostname, column.start_date, column.end_date, column.rendered_map_index),
        )
        .where(column.dag_id == dag_id, column.run_id == run_id, column.operator.in_(KINDS) | column.task_id.in_(kinds))
        .order_by(column.task_id, column.map_index)
    )
    return [
        TaskRecord(
            task_id=row.task_id,
            map_index=row.map_index,
            kind=KINDS.get(row.operator) or kinds[row.task_id],
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
    store = task_state_table()
    if store is None:
        return {}
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


def _returned(session: Session, dag_id: str, run_id: str, task_ids: Collection[str]) -> list[Returned]:
    of_run = COLUMNS.dag_id == dag_id, COLUMNS.run_id == run_id
    return [value for _, value in returned(session, *of_run, COLUMNS.task_id.in_(task_ids))]
