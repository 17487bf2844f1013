"""The built pages: their scripts, and documents that show them outside Airflow's own, to people who see no tabs."""

from __future__ import annotations

import html
from importlib.resources import files

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import APIRouter, Depends, HTTPException, Response
from fastapi.responses import HTMLResponse

from airflow_batchscore import __version__
from airflow_batchscore.links import base_path, script_path
from airflow_batchscore.plugin.run_routes import MapIndex

router = APIRouter()

#: Scripts of this package alone. Chakra puts its styles into the page.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'self'"
)
_SCRIPTS = ("main.js", "shell.js")
_A_YEAR = 31_536_000


@router.get("/static/{name}")
def script(name: str, v: str | None = None) -> Response:
    """A script of the pages; the same for everybody, and holds no data. `v`: the version that it is asked for."""
    built = files("airflow_batchscore.plugin") / "ui" / name if name in _SCRIPTS else None
    if built is None or not built.is_file():
        raise HTTPException(404, f"there is no {name}")
    lasting = f"public, max-age={_A_YEAR}, immutable" if v == __version__ else "no-cache"
    headers = {"Cache-Control": lasting, "X-Content-Type-Options": "nosniff"}
    return Response(built.read_bytes(), media_type="text/javascript; charset=utf-8", headers=headers)


@router.get("/run/{dag_id}/{run_id}", dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.RUN))])
def run_page(dag_id: str, run_id: str) -> HTMLResponse:
    """The page of a run, without Airflow's frame."""
    return _document(f"Scoring: {run_id}", {"page": "run", "dag-id": dag_id, "run-id": run_id})


@router.get(
    "/task/{dag_id}/{run_id}/{task_id}",
    dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE))],
)
def task_page(dag_id: str, run_id: str, task_id: str, map_index: MapIndex = -1) -> HTMLResponse:
    """The page of a task instance, without Airflow's frame."""
    shown = {"page": "task", "dag-id": dag_id, "run-id": run_id, "task-id": task_id, "map-index": str(map_index)}
    return _document(f"Scoring: {task_id}", shown)


def _document(title: str, shown: dict[str, str]) -> HTMLResponse:
    data = " ".join(f'data-{name}="{html.escape(value)}"' for name, value in shown.items())
    # It brings the libraries that Airflow lends to its own pages, and loads main.js, which lies beside it.
    shell = html.escape(script_path("shell.js"))
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<base href="{html.escape(base_path())}/"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<script defer src="{shell}"></script></head>'
        f'<body><div id="root" {data}></div><noscript>This page needs JavaScript.</noscript></body></html>'
    )
    headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return HTMLResponse(page, headers=headers)
