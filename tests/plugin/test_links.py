"""The link to a run's report, and what loading the plugin costs."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from commands import run_command

from airflow_batchscore.links import RunReportLink

pytestmark = pytest.mark.dag


@pytest.mark.parametrize(("base", "prefix"), [("http://h:8080", ""), ("https://h/air/flow/", "/air/flow")])
def test_the_link_names_the_task_and_keeps_the_servers_prefix(
    monkeypatch: pytest.MonkeyPatch, base: str, prefix: str
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    key: Any = SimpleNamespace(dag_id="d", run_id="manual__2026-01-01T00:00:00+00:00", task_id="g.t", map_index=-1)
    link = RunReportLink().get_link(None, ti_key=key)  # type: ignore[arg-type]
    assert link == f"{prefix}/batchscore/report/d/manual__2026-01-01T00%3A00%3A00%2B00%3A00/g.t?map_index=-1"


@pytest.mark.slow
def test_loading_the_plugin_does_not_load_its_web_app() -> None:
    script = "import sys, airflow_batchscore.plugin; print('fastapi' in sys.modules)"
    done = run_command([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip().endswith("False")
