"""Pages of the plugin. Every route asks Airflow's auth manager; Airflow itself does not do that for plugins."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.xcom import XComModel
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse

from airflow_batchscore.connections import connect
from airflow_batchscore.data import storage
from airflow_batchscore.errors import BatchScoreError, GateError
from airflow_batchscore.operators.seal import unseal

app = FastAPI(title="batchscore", docs_url=None, redoc_url=None, openapi_url=None)

#: The page has no script and loads nothing: even if a text escaped its escaping, it could do nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
_MOST_BYTES = 32 << 20
_MOST_MAPPED = 2**31 - 1


@app.get(
    "/report/{dag_id}/{run_id}/{task_id}",
    dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.XCOM))],
)
def report(
    dag_id: str,
    run_id: str,
    task_id: str,
    session: SessionDep,
    map_index: Annotated[int, Query(ge=-1, le=_MOST_MAPPED)] = -1,
) -> HTMLResponse:
    """The report that the task wrote: its place and its digest are sealed in what the task returned by XCom."""
    found = _returned(session, dag_id, run_id, task_id, map_index)
    if not isinstance(found, dict) or "report" not in found:
        raise HTTPException(404, f"task {task_id} of run {run_id} has written no report (yet)")
    try:
        found = unseal("the report", found, "publication", f"{dag_id}/{run_id}", {task_id}, map_index)
    except GateError as error:
        raise HTTPException(403, f"the report is not shown: {error}") from None
    try:
        page = _read(found["report"], connect(found["report"], found["report_conn_id"]))
    except FileNotFoundError:
        raise HTTPException(404, f"the report is gone from {found['report']}") from None
    except (OSError, BatchScoreError) as error:
        raise HTTPException(502, f"the API server cannot read the report: {error}") from error
    if hashlib.sha256(page).hexdigest() != found["report_digest"]:
        raise HTTPException(
            403,
            f"the report at {found['report']} is not shown: it is not the one that the task wrote. Find out who "
            f"changed it; clearing task {task_id} writes it again",
        )
    headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
    return HTMLResponse(page, headers=headers)


def _read(uri: str, conn_id: str | None) -> bytes:
    page = storage.read_bytes(uri, conn_id, most=_MOST_BYTES + 1)
    if len(page) > _MOST_BYTES:
        raise OSError(f"{uri} is larger than a report may be, which is {_MOST_BYTES} bytes")
    return page


def _returned(session: Any, dag_id: str, run_id: str, task_id: str, map_index: int) -> Any:
    row = session.scalars(
        XComModel.get_many(
            run_id=run_id, key="return_value", dag_ids=dag_id, task_ids=task_id, map_indexes=map_index, limit=1
        )
    ).first()
    # As it is stored: what somebody edited is looked at before it is made into objects.
    return None if row is None else row.value
