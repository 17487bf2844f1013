"""What the pages of a run and of a task ask for. The shapes: ui/src/api/types.ts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models.taskinstance import TaskInstance
from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import JSONResponse
from sqlalchemy import select

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.links import report_path
from airflow_batchscore.plugin.access import MAY_SEE, MayDep
from airflow_batchscore.plugin.run_state import StoredRun, read_run, records_of
from airflow_batchscore.plugin.run_storage import card_of, profiles_of, quarantine_of, with_drifts
from airflow_batchscore.publish.run_view import RunView, nothing_here
from airflow_batchscore.publish.run_view_model import output_view
from airflow_batchscore.publish.run_view_records import RunRecords, TaskRecord, iso

router = APIRouter(prefix="/api")

MOST_MAPPED = 2**31 - 1
MapIndex = Annotated[int, Query(ge=-1, le=MOST_MAPPED)]
#: Figures of a moment, and of one user.
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def _run(session: SessionDep, dag_id: str, run_id: str) -> StoredRun:
    """The run; the connection to the database is free again while storage is read."""
    run = read_run(session, dag_id, run_id)
    session.close()
    if run is None:
        raise HTTPException(404, f"there is no run {run_id} of DAG {dag_id}")
    return run


@router.get("/run/{dag_id}/{run_id}", dependencies=MAY_SEE)
def run_view(dag_id: str, run_id: str, session: SessionDep, may: MayDep) -> JSONResponse:
    """All that the run's tab shows at once."""
    records = with_drifts(records_of(_run(session, dag_id, run_id)))
    model, is_late = card_of(records)
    view = RunView(records).to_dict(may, model=model, outputs=_outputs(records))
    view["incomplete"] |= is_late
    return JSONResponse(view, headers=_HEADERS)


@router.get("/run/{dag_id}/{run_id}/profiles", dependencies=MAY_SEE)
def profiles(
    dag_id: str, run_id: str, session: SessionDep, key: Annotated[list[str] | None, Query(max_length=100)] = None
) -> JSONResponse:
    """Distributions against training, of the named partitions or of a sample of all."""
    records = records_of(_run(session, dag_id, run_id))
    return JSONResponse(profiles_of(records, key or []), headers=_HEADERS)


@router.get("/run/{dag_id}/{run_id}/quarantine", dependencies=MAY_SEE)
def quarantine(dag_id: str, run_id: str, session: SessionDep) -> JSONResponse:
    """Rows that could not be scored: reasons, and examples."""
    return JSONResponse(quarantine_of(records_of(_run(session, dag_id, run_id))), headers=_HEADERS)


@router.get("/task/{dag_id}/{run_id}/{task_id}", dependencies=MAY_SEE)
def task_view(
    dag_id: str, run_id: str, task_id: str, session: SessionDep, may: MayDep, map_index: MapIndex = -1
) -> JSONResponse:
    """All that the tab of a task instance shows."""
    column = TaskInstance.__table__.c
    state = session.execute(
        select(column.state).where(
            column.dag_id == dag_id,
            column.run_id == run_id,
            column.task_id == task_id,
            column.map_index == map_index,
        )
    ).first()
    if state is None:
        raise HTTPException(404, f"run {run_id} of DAG {dag_id} has no task {task_id} with map index {map_index}")
    run, instance = _run(session, dag_id, run_id), (task_id, map_index)
    view = None
    if any(task.instance == instance for task in run.tasks):
        view = RunView(with_drifts(records_of(run))).task_dict(instance, may)
    view = view or nothing_here(dag_id, run_id, instance, state[0], datetime.now(UTC), may)
    return JSONResponse(view, headers=_HEADERS)


def _outputs(records: RunRecords) -> list[JsonObject]:
    """What the publications of the run say, newest first."""
    tasks = [task for task in records.of_kind("combine") if task.instance in records.published]
    tasks.sort(key=lambda task: task.ended or records.now, reverse=True)
    return [_output(records, task) for task in tasks]


def _output(records: RunRecords, task: TaskRecord) -> JsonObject:
    partitions = [each for scored in records.scored.values() for each in scored.partitions]
    return output_view(
        records.published[task.instance],
        iso(task.ended),
        task.state != "success",
        max((each.generation for each in partitions), default=None),
        report_path(records.dag_id, records.run_id, *task.instance),
        list(partitions[0].partition) if partitions else [],
    )
