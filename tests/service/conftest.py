"""One real Airflow for the tests of this folder: scheduler, DAG processor, triggerer, API server, LocalExecutor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from old_models import ENVIRONMENTS
from stack import Stack, example_environment
from support import Wta, copy_dags, good_rows, quick_airflow, running, write_csv

#: Lost tasks are noticed sooner than after five minutes.
_WATCHFUL = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
}


@pytest.fixture(scope="session")
def stack(matches: Wta, marks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Running while tests of this folder do; `stack.extra["WTA_HOME"]` holds models and results."""
    folder = tmp_path_factory.mktemp("airflow")
    environment = example_environment(str(matches.folder), folder / "wta")
    own = {"SLOW_MODEL_MARKS": str(marks), "WTA_YEARS": "2014..2016"}
    extra = {**environment, **_WATCHFUL, **ENVIRONMENTS, **own}
    with running(quick_airflow(folder / "home", copy_dags(folder / "dags"), extra)) as airflow:
        yield airflow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the pipelines of assets: a partition to train on, and three to score."""
    folder = tmp_path_factory.mktemp("data")
    write_csv(folder / "part_0.csv", good_rows(200))
    for partition in (1, 2, 3):
        write_csv(folder / f"part_{partition}.csv", good_rows(50, 1000 * partition))
    return folder
