"""What Airflow's database holds of a run, as records for its page. The caller asks the auth manager first.

A few queries, whatever the number of tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XCOM_RETURN_KEY
from sqlalchemy import select

from airflow_batchscore.compat import has_task_state_store, task_state_table
from airflow_batchscore.errors import InputError
from airflow_batchscore.operators.estimating import ESTIMATE_KEY
from airflow_batchscore.plan.estimate import Estimate
from airflow_batchscore.plugin.returned import RETURNING, unsealed
from airflow_batchscore.plugin.scoring_dags import ScoringDagTask, tasks_in_run
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
    """A run as the database has it.

    Attributes:
        tasks: those of this package.
        leads_to: which of them come next in the DAG; empty if Airflow does not know it any more.
        texts: key of the task state store -> task -> the text that is stored.
        returned: what tasks returned, sealed; of tasks that run again, what an earlier try did.
        estimates: what plans predicted, sealed.
    """

    dag_id: str
    run_id: str
    state: str | None
    tasks: list[TaskRecord]
    leads_to: Mapping[str, Collection[str]]
    texts: Mapping[str, Mapping[Instance, str]]
    returned: Sequence[Returned]
    estimates: Sequence[Returned] = ()


def read_run(session: Session, dag_id: str, run_id: str) -> StoredRun | None:
    """The state of a run; None if there is no such run. Reads the database alone."""
    run = session.execute(select(DagRun.state).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).first()
    if run is None:
        return None
    known = tasks_in_run(session, dag_id, run_id)
    tasks = _tasks(session, dag_id, run_id, known)
    done = {task.task_id for task in tasks if _has_returned(task)}
    plans = {task.task_id for task in tasks if task.kind == "plan" and task.state in ("success", "failed")}
    return StoredRun(
        dag_id=dag_id,
        run_id=run_id,
        state=run.state,
        tasks=tasks,
        leads_to={} if known is None else {name: task.downstream for name, task in known.items()},
        texts=_task_states(session, dag_id, run_id) if tasks else {},
        returned=_returned(session, dag_id, run_id, done) if done else [],
        estimates=_returned(session, dag_id, run_id, plans, ESTIMATE_KEY) if plans else [],
    )


def records_of(run: StoredRun) -> RunRecords:
    """Unseal what tasks returned, and fetch the lists that lie in files. What cannot be used becomes a problem."""
    done = {task.instance: task for task in run.tasks if _has_returned(task)}
    values = [(done[each.instance], each) for each in run.returned if each.instance in done]
    read = unsealed(values)
    measured = [
        figures.max_drift for checked in read.checked.values() if (figures := checked.figures).max_drift is not None
    ]
    silent = set(done) - {task.instance for task, _ in values}
    return RunRecords(
        dag_id=run.dag_id,
        run_id=run.run_id,
        state=run.state,
        now=datetime.now(UTC),
        tasks=run.tasks,
        plans=list(read.plans.values()),
        planned_by=_planned_by(run, list(read.plans)),
        scored=read.scored,
        progress=_each(run.texts.get(PROGRESS_KEY), stored_progress),
        keeps_state=has_task_state_store(),
        failures=_each(run.texts.get(FAILURE_KEY), stored_failure),
        gates=_each(run.texts.get(GATE_KEY), stored_gate),
        drifts=Drifts(worst=max(measured, default=None)),
        published=read.published,
        estimates=_estimates(run.estimates),
        problems=[
            *read.problems,
            *(
                Problem(task.instance, "NothingReturned", _NOTHING_RETURNED)
                for task in run.tasks
                if task.kind == "score" and task.instance in silent
            ),
        ],
        is_incomplete=read.is_late,
    )


def _estimates(stored: Sequence[Returned]) -> list[Estimate]:
    """Those that nobody edited: they are only shown."""
    values = [value for each in stored if (value := each.unsealed_or_none("estimate"))]
    found = []
    for value in values:
        with suppress(InputError):  # of another version of this package
            found.append(Estimate.from_dict(value))
    return found


def _planned_by(run: StoredRun, plans: Sequence[Instance]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, (task_id, _) in enumerate(plans):
        for stage in run.leads_to.get(task_id, ()):
            found.setdefault(stage, []).append(place)
    return found


def _has_returned(task: TaskRecord) -> bool:
    """Whether what Airflow keeps of the task counts. Of tasks that run again, it is what an earlier try returned.

    What that has published is still there.
    """
    return task.kind in RETURNING and (task.state == "success" or task.kind == "combine")


def _tasks(session: Session, dag_id: str, run_id: str, known: Mapping[str, ScoringDagTask] | None) -> list[TaskRecord]:
    column = TaskInstance.__table__.c
    # The DAG tells a class of the user's that extends one of ours, and one of another package with the same name.
    chosen = column.operator.in_(KINDS) if known is None else column.task_id.in_(known)
    rows = session.execute(
        select(
            *(column.task_id, column.map_index, column.operator, column.state, column.try_number, column.max_tries),
            *(column.hostname, column.start_date, column.end_date, column.rendered_map_index),
        )
        .where(
            column.dag_id == dag_id,
            column.run_id == run_id,
            column.state.is_distinct_from("removed"),  # a plan that was made again has fewer
            chosen,
        )
        .order_by(column.task_id, column.map_index)
    )
    return [
        TaskRecord(
            task_id=row.task_id,
            map_index=row.map_index,
            kind=KINDS[row.operator] if known is None else known[row.task_id].kind,
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


def _returned(
    session: Session, dag_id: str, run_id: str, task_ids: Collection[str], key: str = XCOM_RETURN_KEY
) -> list[Returned]:
    of_run = COLUMNS.dag_id == dag_id, COLUMNS.run_id == run_id
    return [value for _, value in returned(session, *of_run, COLUMNS.task_id.in_(task_ids), key=key)]
