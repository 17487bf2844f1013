"""Reads many runs at once from Airflow's database: each function makes one query, whatever the number of runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import func, select

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.plugin.cache import Cache
from airflow_batchscore.plugin.scoring_dags import ScoringDagTask
from airflow_batchscore.plugin.xcoms import COLUMNS, Returned, returned
from airflow_batchscore.publish.run_view_eta import covered
from airflow_batchscore.publish.run_view_records import Kind, iso
from airflow_batchscore.publish.state import ScoringRun

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

T = TypeVar("T")

#: DAG id -> its tasks of this package.
Dags = Mapping[str, Sequence[ScoringDagTask]]

_TASK = TaskInstance.__table__.c
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
        return ScoringRun(self.dag_id, self.run_id).name

    @property
    def is_over(self) -> bool:
        """Whether what its tasks returned stays as it is; a run whose tasks are cleared ends once more, and later."""
        return self.state in ("success", "failed") and self.ended is not None

    def to_dict(self) -> JsonObject:
        """Plain JSON; without the end, which is not shown everywhere."""
        return {"dag_id": self.dag_id, "run_id": self.run_id, "started": iso(self.started), "state": self.state}


class RunCache(Generic[T]):
    """A value for each run: remembered if the run is over, worked out each time if it is not."""

    def __init__(self, most: int) -> None:
        self._cache: Cache[RecentRun, T] = Cache(most)

    def of(
        self, runs: Sequence[RecentRun], work_out: Callable[[list[RecentRun]], dict[RecentRun, T]]
    ) -> dict[RecentRun, T]:
        """The values of these runs.

        Args:
            work_out: the values of those that are not known, all at once; without those that cannot be told now.
        """
        known = self._cache.recall(runs)
        new = work_out([run for run in runs if run not in known])
        self._cache.keep({run: value for run, value in new.items() if run.is_over})
        return known | new


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
        select(DagRun.id, DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.start_date, DagRun.end_date)
        .where(*_chosen(dag_ids, state))
        .order_by(DagRun.run_after.desc(), DagRun.id.desc())
        .offset(skip)
        .limit(most)
    )
    return [RecentRun(*row) for row in rows]


def _chosen(dag_ids: Collection[str], state: str | None) -> list[ColumnElement[bool]]:
    of_dags = DagRun.dag_id.in_(dag_ids)
    return [of_dags, DagRun.state == state] if state else [of_dags]


def returned_in(
    session: Session, runs: Collection[RecentRun], dags: Dags, *kinds: Kind, part: str | int | None = None
) -> Iterator[tuple[RecentRun, ScoringDagTask, Returned]]:
    """What the tasks of these kinds returned in each run; see `returned`."""
    tasks = {(dag_id, task.task_id): task for dag_id in dags for task in dags[dag_id] if task.kind in kinds}
    numbers = {run.number: run for run in runs}
    if not runs or not tasks:
        return
    of_runs, of_tasks = COLUMNS.dag_run_id.in_(numbers), COLUMNS.task_id.in_({task_id for _, task_id in tasks})
    for number, value in returned(session, of_runs, of_tasks, part=part):
        run = numbers[number]
        if (run.dag_id, value.task_id) in tasks:
            yield run, tasks[run.dag_id, value.task_id], value


def count_scoring_tasks(session: Session, runs: Collection[RecentRun], dags: Dags) -> dict[RecentRun, int]:
    """How many scoring tasks the runs have, of those that have some."""
    counts: dict[RecentRun, int] = {}
    for run, count in _scoring(session, runs, dags, func.count()):
        counts[run] = counts.get(run, 0) + count
    return counts


def scoring_seconds(session: Session, runs: Collection[RecentRun], dags: Dags) -> dict[RecentRun, float]:
    """How long scoring tasks worked until now (see `covered`), of the runs whose first one has begun."""
    spans: dict[RecentRun, list[tuple[float, float]]] = {}
    now, span = datetime.now(UTC), (_TASK.start_date, _TASK.end_date)
    for run, started, ended in _scoring(session, runs, dags, *span, by=[_TASK.map_index, *span]):
        if started is not None:
            spans.setdefault(run, []).append((started.timestamp(), (ended or now).timestamp()))
    return {run: covered(times) for run, times in spans.items()}


def _scoring(
    session: Session,
    runs: Collection[RecentRun],
    dags: Dags,
    *wanted: ColumnElement[Any],
    by: Sequence[ColumnElement[Any]] = (),
) -> Iterator[tuple[Any, ...]]:
    """The run, and what is wanted of its scoring tasks: of mapped ones together, or for each value of `by`."""
    by_name = {(run.dag_id, run.run_id): run for run in runs}
    tasks = {(dag_id, task.task_id) for dag_id in dags for task in dags[dag_id] if task.kind == "score"}
    name = _TASK.dag_id, _TASK.run_id, _TASK.task_id
    rows = select(*name, *wanted).where(
        _TASK.dag_id.in_({run.dag_id for run in runs}),
        _TASK.run_id.in_({run.run_id for run in runs}),
        _TASK.task_id.in_({task_id for _, task_id in tasks}),
    )
    for dag_id, run_id, task_id, *values in session.execute(rows.group_by(*name, *by)):
        if (dag_id, run_id) in by_name and (dag_id, task_id) in tasks:
            yield by_name[dag_id, run_id], *values


def as_many_as_fit(runs: Sequence[RecentRun], tasks: Mapping[RecentRun, int]) -> list[RecentRun]:
    """The first of these runs: so many that a page does not read the answers of a hundred thousand tasks.

    Args:
        tasks: number of scoring tasks.
    """
    chosen, sum_ = [], 0
    for run in runs:
        sum_ += tasks.get(run, 0)
        if sum_ > _MOST_TASKS:
            break
        chosen.append(run)
    return chosen
