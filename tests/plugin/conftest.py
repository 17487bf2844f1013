"""Runs in the session's database, and the plugin's web app with people of several roles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pages import History, data_in, run_dag, web_app


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
