"""What happens to Airflow itself: tasks cleared and marked, supervisors killed, everything restarted."""

from __future__ import annotations

import os
import shutil
import signal
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from runs import alive, explain, parent, parts, result_bytes, succeed
from stack import Stack
from support import good_rows, wait_for, write_csv

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]

DAG = "slow_pipeline"
#: Of 20 rows and 0.2 s each, in two processes: longer than Airflow takes to end a task that was marked.
BLOCKS = 90


@pytest.fixture
def run(stack: Stack, marks: Path, tmp_path: Path) -> str:
    """A run whose partition 1 is half scored."""
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    write_csv(tmp_path / "part_1.csv", good_rows(20 * BLOCKS, 1000))
    for old in marks.iterdir():
        old.unlink()
    stack.wait_for_dag(DAG)
    run_id = stack.trigger(DAG, {"folder": str(tmp_path), "partitions": [1]})
    wait_for(lambda: len(parts(tmp_path)) >= 5, 120)
    return run_id


def _score_task(stack: Stack, run_id: str) -> dict[str, Any]:
    return next(task for task in stack.task_instances(DAG, run_id) if task["task_id"] == "score")


def _clear(stack: Stack, run_id: str) -> None:
    body = {"dry_run": False, "dag_run_id": run_id, "task_ids": [["score", 0]], "only_failed": False}
    stack.post(f"/api/v2/dags/{DAG}/clearTaskInstances", body)


def _ends_right(stack: Stack, run_id: str, folder: Path, kept: dict[str, int]) -> None:
    """The run succeeds, parts that were there are as they were, and all is as in a run that nothing disturbed."""
    assert stack.wait_for_run(DAG, run_id, 300) == "success", explain(stack, DAG, run_id)
    assert {name: parts(folder)[name] for name in kept} == kept
    disturbed = result_bytes(folder)
    shutil.rmtree(folder / "staged")
    (folder / "out.parquet").unlink()
    succeed(stack, DAG, {"folder": str(folder), "partitions": [1]})
    assert result_bytes(folder) == disturbed


def test_a_task_that_is_cleared_while_it_runs_ends_right(stack: Stack, run: str, tmp_path: Path) -> None:
    _clear(stack, run)
    wait_for(lambda: _score_task(stack, run)["state"] != "running", 60)
    _ends_right(stack, run, tmp_path, parts(tmp_path))


def test_a_mapped_task_marked_failed_goes_on_after_a_clear(stack: Stack, run: str, tmp_path: Path) -> None:
    path = f"/api/v2/dags/{DAG}/dagRuns/{urllib.parse.quote(run)}/taskInstances/score/0"
    stack.patch(path, {"new_state": "failed"})
    assert stack.wait_for_run(DAG, run, 60) == "failed"
    workers = {int(mark.name.split("-")[0]) for mark in Path(stack.extra["SLOW_MODEL_MARKS"]).iterdir()}
    wait_for(lambda: not any(alive(pid) for pid in workers), 30)
    kept = parts(tmp_path)
    assert 0 < len(kept) < BLOCKS
    _clear(stack, run)
    _ends_right(stack, run, tmp_path, kept)


def test_a_killed_supervisor_is_noticed_and_the_retry_ends_right(
    stack: Stack, run: str, marks: Path, tmp_path: Path
) -> None:
    workers = {int(mark.name.split("-")[0]) for mark in marks.iterdir()}
    task = parent(next(iter(workers)))
    os.kill(parent(task), signal.SIGKILL)
    wait_for(lambda: not any(alive(pid) for pid in {*workers, task}), 15)
    _ends_right(stack, run, tmp_path, parts(tmp_path))


def test_a_restart_of_airflow_in_the_middle_of_a_run_ends_right(stack: Stack, run: str, tmp_path: Path) -> None:
    stack.stop()
    kept = parts(tmp_path)
    assert 0 < len(kept) < BLOCKS
    stack.start()
    stack.wait_until_up()
    _ends_right(stack, run, tmp_path, kept)
