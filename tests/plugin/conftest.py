"""The plugin's web app in this process, with the database of the session's DAGs and Airflow's own auth manager."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from pages import History, data_in, run_dag, web_app
from small_pipeline import PARAMS
from support import good_rows, write_csv


@pytest.fixture
def client_of(airflow_dags: dict[str, Any]) -> Iterator[Callable[[str | None], Any]]:
    """A client of the app for somebody with a role of SimpleAuthManager."""
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi.testclient import TestClient

    from airflow_batchscore.plugin.web import app

    create_auth_manager()

    def client(role: str | None) -> TestClient:
        app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username="somebody", role=role)
        return TestClient(app)

    yield client
    app.dependency_overrides.clear()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four partitions, of which one has rows that cannot be scored."""
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    for partition in (1, 2):
        write_csv(tmp_path / f"part_{partition}.csv", good_rows(50, 1000 * partition))
    return tmp_path


@pytest.fixture
def run_small(airflow_dags: dict[str, Any], data: Path) -> Callable[..., Any]:
    """Runs the small pipeline in this process; returns the run."""

    def run(**conf: Any) -> Any:
        with mock.patch.dict(os.environ, AIRFLOW_VAR_FOLDER=str(data)):
            return copy.deepcopy(airflow_dags["small_pipeline"]).test(run_conf={**PARAMS, **conf})

    return run


@pytest.fixture(scope="session")
def history(airflow_dags: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    folder = data_in(tmp_path_factory.mktemp("seen"))
    good = run_dag(airflow_dags, "seen_pipeline", folder, partitions=[1, 3])
    whole = (folder / "part_2.csv").read_text()
    (folder / "part_2.csv").write_text("id,a\n1,2\n")
    failed = run_dag(airflow_dags, "seen_pipeline", folder, partitions=[1, 2])
    (folder / "part_2.csv").write_text(whole)
    newest = run_dag(airflow_dags, "seen_pipeline", folder, partitions=[3], retrain=True)
    assert [str(run.state) for run in (good, failed, newest)] == ["success", "failed", "success"]
    with web_app() as people:
        yield History(folder, people, good.run_id, failed.run_id, newest.run_id)
