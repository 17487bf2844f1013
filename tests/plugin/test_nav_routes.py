"""Who sees what in the lists of the page: nobody is asked to log in, and people see the DAGs that they may read."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from pages import DagAuthManager, History

pytestmark = pytest.mark.dag

LISTS = {"runs": "runs", "models": "models", "datasets": "datasets"}


@pytest.mark.parametrize("path", LISTS)
def test_nobody_is_asked_to_log_in(history: History, path: str) -> None:
    assert history.people[""].get(f"/api/{path}").status_code == 401


@pytest.mark.parametrize("path", LISTS)
def test_people_see_the_dags_that_they_may_read(history: History, path: str) -> None:
    for who in ("viewer", "user", "admin", "ann of seen_pipeline"):
        assert "seen_pipeline" in str(history.ask(path, who)), who
    for who in ("bob of small_poking", "eve of nothing"):
        assert "seen_pipeline" not in str(history.ask(path, who)), who
    assert history.ask(path, "eve of nothing")[LISTS[path]] == []
    assert {run["dag_id"] for run in history.ask("runs", "ann of seen_pipeline")["runs"]} == {"seen_pipeline"}


@pytest.mark.parametrize("denied", [DagAccessEntity.RUN, DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM])
def test_who_may_not_open_a_runs_page_is_not_told_of_the_run(
    history: History, denied: DagAccessEntity, monkeypatch: pytest.MonkeyPatch
) -> None:
    def but_one(self: Any, *, access_entity: DagAccessEntity | None = None, **asked: Any) -> bool:
        return access_entity != denied and before(self, access_entity=access_entity, **asked)

    before = DagAuthManager.is_authorized_dag
    monkeypatch.setattr(DagAuthManager, "is_authorized_dag", but_one)
    assert history.people["admin"].get(f"/api/run/seen_pipeline/{history.good}").status_code == 403
    for path, field in LISTS.items():
        assert history.ask(path)[field] == []


def test_a_page_that_cannot_be_is_refused(history: History) -> None:
    for page in ("0", "x", "99999999999999999999"):
        assert history.people["admin"].get(f"/api/runs?page={page}").status_code == 422
