"""What happens to Airflow itself: tasks cleared and marked, supervisors killed, everything restarted."""

from __future__ import annotations

import os
import signal
import urllib.parse
from pathlib import Path

import pandas as pd
import pytest
from processes import alive
from runs import explain, parent, trigger_in
from stack import Stack
from support import good_rows, wait_for, write_csv

# It waits for minutes, and starts Airflow twice: not in `make test`.
pytestmark = [pytest.mark.service, pytest.mark.faults, pytest.mark.production, pytest.mark.timeout(600)]

DAG = "slow_pipeline"
#: Of 20 rows each: more than `strange_models.Slow` scores before it is held.
BLOCKS = 30


@pytest.fixture
def run(stack: Stack, hold: Path, tmp_path: Path) -> str:
    """A run whose partition 1 is half scored."""
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    write_csv(tmp_path / "part_1.csv", good_rows(20 * BLOCKS, 1000))
    stack.wait_for_dag(DAG)
    run_id = trigger_in(stack, tmp_path, DAG, {"partitions": [1]})
    wait_for(lambda: len(_parts(tmp_path)) >= 5, 120)
    return run_id


def _parts(folder: Path) -> dict[str, int]:
    """The parts of partition 1, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("staged/p=1/*/part-*.parquet")}


def _processes(marks: Path) -> set[int]:
    """The scoring task and its workers."""
    workers = {int(mark.name.split("-")[0]) for mark in marks.iterdir()}
    return {*workers, parent(next(iter(workers)))}


def _clear(stack: Stack, run_id: str) -> None:
    """As the UI does it: the mapped task, and what comes after it."""
    which = {"dag_run_id": run_id, "task_ids": [["score", 0]], "include_downstream": True, "only_failed": False}
    body = {"dry_run": False, **which}
    stack.post(f"/api/v2/dags/{DAG}/clearTaskInstances", body)


def _ends_right(stack: Stack, run_id: str, folder: Path, kept: dict[str, int], hold: Path) -> None:
    """The run succeeds, parts that were there are as they were, and every row has the prediction it should have."""
    hold.unlink()
    assert stack.wait_for_run(DAG, run_id, 300) == "success", explain(stack, DAG, run_id)
    assert 0 < len(kept) < len(_parts(folder))
    assert {name: _parts(folder)[name] for name in kept} == kept
    rows = pd.read_csv(folder / "part_1.csv").dropna(subset="b")
    expected = rows[["id"]].assign(prediction=(rows["a"] > 1).astype("int64")).reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "out.parquet")[["id", "prediction"]], expected)


def test_a_task_that_is_cleared_while_it_runs_ends_right(
    stack: Stack, run: str, marks: Path, hold: Path, tmp_path: Path
) -> None:
    before = _processes(marks)
    _clear(stack, run)
    wait_for(lambda: not any(alive(pid) for pid in before), 60)
    _ends_right(stack, run, tmp_path, _parts(tmp_path), hold)


def test_a_mapped_task_marked_failed_goes_on_after_a_clear(
    stack: Stack, run: str, marks: Path, hold: Path, tmp_path: Path
) -> None:
    before = _processes(marks)
    path = f"/api/v2/dags/{DAG}/dagRuns/{urllib.parse.quote(run)}/taskInstances/score/0"
    stack.patch(path, {"new_state": "failed"})
    assert stack.wait_for_run(DAG, run, 60) == "failed"
    wait_for(lambda: not any(alive(pid) for pid in before), 30)
    kept = _parts(tmp_path)
    _clear(stack, run)
    _ends_right(stack, run, tmp_path, kept, hold)


def test_a_killed_supervisor_is_noticed_and_the_retry_ends_right(
    stack: Stack, run: str, marks: Path, hold: Path, tmp_path: Path
) -> None:
    before = _processes(marks)
    task = next(pid for pid in before if parent(pid) not in before)
    os.kill(parent(task), signal.SIGKILL)
    wait_for(lambda: not any(alive(pid) for pid in before), 60)
    _ends_right(stack, run, tmp_path, _parts(tmp_path), hold)


def test_a_restart_of_airflow_in_the_middle_of_a_run_ends_right(
    stack: Stack, run: str, marks: Path, hold: Path, tmp_path: Path
) -> None:
    before = _processes(marks)
    stack.stop()
    wait_for(lambda: not any(alive(pid) for pid in before), 60)
    kept = _parts(tmp_path)
    stack.start()
    stack.wait_until_up()
    _ends_right(stack, run, tmp_path, kept, hold)
