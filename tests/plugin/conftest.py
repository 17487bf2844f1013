"""The plugin's web app in this process, with the database of the session's DAGs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pages import History, People, data_in, run_dag, web_app


@pytest.fixture(scope="session")
def people(airflow_dags: dict[str, Any]) -> Iterator[People]:
    """A client of the web app for each, by name; nobody is ``""``."""
    with web_app() as clients:
        yield clients


@pytest.fixture(scope="session")
def history(airflow_dags: dict[str, Any], people: People, tmp_path_factory: pytest.TempPathFactory) -> History:
    folder = data_in(tmp_path_factory.mktemp("seen"))
    good = run_dag(airflow_dags, "seen_pipeline", folder, partitions=[1, 3])
    whole = (folder / "part_2.csv").read_text()
    (folder / "part_2.csv").write_text("id,a\n1,2\n")
    failed = run_dag(airflow_dags, "seen_pipeline", folder, partitions=[1, 2])
    (folder / "part_2.csv").write_text(whole)
    newest = run_dag(airflow_dags, "seen_pipeline", folder, partitions=[3], retrain=True)
    assert [str(run.state) for run in (good, failed, newest)] == ["success", "failed", "success"]
    return History(folder, people, good.run_id, failed.run_id, newest.run_id)
