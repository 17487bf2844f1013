"""Reads many runs at once from Airflow's database: each function makes one query, whatever the number of runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XCOM_RETURN_KEY, XComModel
from sqlalchemy import func, select

from airflow_batchscore.data.json_types import Json, JsonObject
from airflow_batchscore.errors import GateError
from airflow_batchscore.operators.seal import unseal
from airflow_batchscore.plugin.scoring_dags import Kind, ScoringDagTask

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

#: DAG id -> its tasks of this package.
Dags = Mapping[str, Sequence[ScoringDagTask]]


#: Scoring tasks whose answers are read for one page.
_MOST_TASKS = 30_000


@dataclass(frozen=True)
class RecentRun:
    """A run, as Airflow's database has it. Times are in UTC.

    Attributes:
        number: its primary key.
    """

    number: int
    dag_id: str
    run_id: str
    state: str | None
    started: datetime | None
    ended: datetime | None

    @property
    def name(self) -> str:
        """See `ScoringRun`."""
        return f"{self.dag_id}/{self.run_id}"

    @property
    def is_over(self) -> bool:
        """Whether what its tasks returned stays as it is; a run whose tasks are cleared ends once more, and later."""
        return self.state in ("success", "failed") and self.ended is not None

    def to_dict(self) -> JsonObject:
        """Plain JSON; without the end, which is not shown everywhere."""
        return {"dag_id": self.dag_id, "run_id": self.run_id, "started": iso(self.started), "state": self.state}


class Returned(NamedTuple):
    """What a task returned, as stored: its seal is yet to be checked."""

    task: ScoringDagTask
    map_index: int
    value: Json

    def opened(self, purpose: str, run: RecentRun) -> JsonObject | None:
        """The sealed value; None if the task did not return this in this run: somebody edited it."""
        try:
            return unseal(self.task.task_id, self.value, purpose, run.name, {self.task.task_id}, self.map_index)
        except GateError:
            return None


class ScoringTime(NamedTuple):
    """When the first scoring task of a run began, when the last one that has ended did, and how many there are."""

    started: datetime | None
    ended: datetime | None
    tasks: int


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat()


def count_runs(session: Session, dag_ids: Collection[str], state: str | None = None) -> int:
    """The number of runs of these DAGs."""
    return session.scalar(select(func.count()).select_from(DagRun).where(*_chosen(dag_ids, state))) or 0


def dags_with_runs(session: Session, dag_ids: Collection[str]) -> list[str]:
    """Those of these DAGs that have runs, in alphabetical order."""
    return list(
        session.scalars(select(DagRun.dag_id).where(*_chosen(dag_ids, None)).distinct().order_by(DagRun.dag_id))
    )


def recent_runs(
    session: Session, dag_ids: Collection[str], most: int, *, skip: int = 0, state: str | None = None
) -> list[RecentRun]:
    """Runs of these DAGs, newest first."""
    rows = session.execute(
        select(DagRun.id, DagRun.dag_id, DagRun.run_id, DagRun._state, DagRun.start_date, DagRun.end_date)
        .where(*_chosen(dag_ids, state))
        .order_by(DagRun.run_after.desc(), DagRun.id.desc())
        .offset(skip)
        .limit(most)
    )
    return [RecentRun(*row) for row in rows]


def _chosen(dag_ids: Collection[str], state: str | None) -> list[ColumnElement[bool]]:
    of_dags = DagRun.dag_id.in_(dag_ids)
    return [of_dags, DagRun._state == state] if state else [of_dags]


def returned(
    session: Session, runs: Collection[RecentRun], dags: Dags, *kinds: Kind, part: str | int | None = None
) -> Iterator[tuple[RecentRun, Returned]]:
    """What the tasks of these kinds returned in each run, one after the other: together they can be 100 megabytes.

    Args:
        part: only this field, or the item with this number, of each value; a value can have megabytes.
    """
    tasks = {(dag_id, task.task_id): task for dag_id in dags for task in dags[dag_id] if task.kind in kinds}
    numbers = {run.number: run for run in runs}
    if not runs or not tasks:
        return
    xcom = XComModel.__table__.c  # a query of the model's own would parse the values of all rows at once
    rows = session.execute(
        select(xcom.dag_run_id, xcom.task_id, xcom.map_index, xcom.value if part is None else xcom.value[part])
        .where(
            xcom.dag_run_id.in_(numbers),
            xcom.key == XCOM_RETURN_KEY,
            xcom.task_id.in_({task_id for _, task_id in tasks}),
        )
        .order_by(xcom.dag_run_id, xcom.task_id, xcom.map_index)
    )
    for number, task_id, map_index, stored in rows:
        run = numbers[number]
        if stored is not None and (run.dag_id, task_id) in tasks:
            yield run, Returned(tasks[run.dag_id, task_id], map_index, stored)


def scoring_times(session: Session, runs: Collection[RecentRun], dags: Dags) -> dict[RecentRun, ScoringTime]:
    """Of the runs whose scoring tasks are known to Airflow."""
    by_name = {(run.dag_id, run.run_id): run for run in runs}
    tasks = {(dag_id, task.task_id) for dag_id in dags for task in dags[dag_id] if task.kind == "score"}
    rows = session.execute(
        select(
            TaskInstance.dag_id,
            TaskInstance.run_id,
            TaskInstance.task_id,
            func.min(TaskInstance.start_date),
            func.max(TaskInstance.end_date),
            func.count(),
        )
        .where(
            TaskInstance.dag_id.in_({run.dag_id for run in runs}),
            TaskInstance.run_id.in_({run.run_id for run in runs}),
            TaskInstance.task_id.in_({task_id for _, task_id in tasks}),
        )
        .group_by(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id)
    )
    times: dict[RecentRun, list[ScoringTime]] = {}
    for dag_id, run_id, task_id, started, ended, count in rows:
        if (dag_id, run_id) in by_name and (dag_id, task_id) in tasks:
            times.setdefault(by_name[dag_id, run_id], []).append(ScoringTime(started, ended, count))
    return {run: _together(several) for run, several in times.items()}


def as_many_as_fit(runs: Sequence[RecentRun], times: Mapping[RecentRun, ScoringTime]) -> list[RecentRun]:
    """The first of these runs: so many that a page does not read the answers of a hundred thousand tasks."""
    chosen, tasks = [], 0
    for run in runs:
        tasks += times[run].tasks if run in times else 0
        if tasks > _MOST_TASKS:
            break
        chosen.append(run)
    return chosen


def _together(times: Sequence[ScoringTime]) -> ScoringTime:
    starts = [time.started for time in times if time.started]
    ends = [time.ended for time in times if time.ended]
    return ScoringTime(min(starts, default=None), max(ends, default=None), sum(time.tasks for time in times))
