"""The links to pages, and what loading the plugin costs."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from commands import run_command

from airflow_batchscore.links import BatchScoringLink, RunReportLink

pytestmark = pytest.mark.dag


@pytest.mark.parametrize(("base", "prefix"), [("http://h:8080", ""), ("https://h/air/flow/", "/air/flow")])
def test_the_link_names_the_task_and_keeps_the_servers_prefix(
    monkeypatch: pytest.MonkeyPatch, base: str, prefix: str
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    key: Any = SimpleNamespace(dag_id="d", run_id="manual__2026-01-01T00:00:00+00:00", task_id="g.t", map_index=-1)
    link = RunReportLink().get_link(None, ti_key=key)  # type: ignore[arg-type]
    assert link == f"{prefix}/batchscore/report/d/manual__2026-01-01T00%3A00%3A00%2B00%3A00/g.t?map_index=-1"


@pytest.mark.parametrize(("base", "prefix"), [("http://h:8080", ""), ("https://h/air/flow/", "/air/flow")])
@pytest.mark.parametrize(("map_index", "page"), [(-1, "run/d/a%2Fb"), (3, "task/d/a%2Fb/score?map_index=3")])
def test_a_tasks_link_leads_to_its_page_or_to_that_of_the_run(
    monkeypatch: pytest.MonkeyPatch, base: str, prefix: str, map_index: int, page: str
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    key: Any = SimpleNamespace(dag_id="d", run_id="a/b", task_id="score", map_index=map_index)
    link = BatchScoringLink().get_link(None, ti_key=key)  # type: ignore[arg-type]
    assert link == f"{prefix}/batchscore/{page}"


def test_every_task_of_the_package_has_the_link_on_the_api_server(airflow_dags: dict[str, Any]) -> None:
    from airflow.models.serialized_dag import SerializedDagModel

    serialized = SerializedDagModel.get_dag("small_pipeline")
    assert serialized is not None
    missing = [task.task_id for task in serialized.tasks if "Batch scoring" not in task.extra_links]
    assert (missing, len(serialized.tasks)) == ([], 7)


@pytest.mark.slow
def test_loading_the_plugin_does_not_load_its_web_app() -> None:
    script = "import sys, airflow_batchscore.plugin; print('fastapi' in sys.modules)"
    done = run_command([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip().endswith("False")
