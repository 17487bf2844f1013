"""Pages of the plugin. Every route asks Airflow's auth manager; Airflow does not do that for plugins."""

from __future__ import annotations

import hashlib

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse

from airflow_batchscore.connections import connect
from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import BatchScoreError, GateError, InputError
from airflow_batchscore.plugin import nav_routes, pages, run_routes
from airflow_batchscore.plugin.access import MAY_SEE_RESULTS
from airflow_batchscore.plugin.refusals import refuse
from airflow_batchscore.plugin.run_routes import MapIndex
from airflow_batchscore.plugin.xcoms import COLUMNS, returned
from airflow_batchscore.publish.published import PublishedRun

app = FastAPI(title="batchscore", docs_url=None, redoc_url=None, openapi_url=None)
app.include_router(run_routes.router)
app.include_router(nav_routes.router)
app.include_router(pages.router)
app.exception_handler(HTTPException)(refuse)

#: The page has no script and loads nothing: even text that slips through escaping could do nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
_MOST_BYTES = 32 << 20


@app.get("/report/{dag_id}/{run_id}/{task_id}", dependencies=MAY_SEE_RESULTS)
def report(dag_id: str, run_id: str, task_id: str, session: SessionDep, map_index: MapIndex = -1) -> HTMLResponse:
    """The report that the task wrote: its location and digest are sealed in the task's XCom."""
    try:
        published = _published(session, dag_id, run_id, task_id, map_index)
    except GateError as error:
        raise HTTPException(403, f"the report is not shown: {error}") from None
    except InputError as error:
        raise HTTPException(409, str(error)) from None
    if published is None:
        raise HTTPException(404, f"task {task_id} of run {run_id} has written no report (yet)")
    written = published.report
    try:
        page = _read(connect(written.page))
    except FileNotFoundError:
        raise HTTPException(404, f"the report is gone from {written.page}") from None
    except (OSError, BatchScoreError) as error:
        raise HTTPException(502, f"the API server cannot read the report: {error}") from error
    if hashlib.sha256(page).hexdigest() != written.digest:
        raise HTTPException(
            403,
            f"the report at {written.page} is not shown: it is not the one that the task wrote. Find out who "
            f"changed it; clearing task {task_id} writes it again",
        )
    headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
    return HTMLResponse(page, headers=headers)


def _published(session: SessionDep, dag_id: str, run_id: str, task_id: str, map_index: int) -> PublishedRun | None:
    """What a publishing task returned; None if it has returned nothing, or is a task of another kind."""
    of_run = COLUMNS.dag_id == dag_id, COLUMNS.run_id == run_id
    of_task = COLUMNS.task_id == task_id, COLUMNS.map_index == map_index
    _, value = next(returned(session, *of_run, *of_task), (None, None))
    if value is None or not isinstance(value.value, dict) or "report" not in value.value:
        return None
    return PublishedRun.from_dict(value.unsealed("publication"))


def _read(location: Location) -> bytes:
    page = storage.read_bytes(location, most=_MOST_BYTES + 1)
    if len(page) > _MOST_BYTES:
        raise OSError(f"{location} is larger than a report may be, which is {_MOST_BYTES} bytes")
    return page
