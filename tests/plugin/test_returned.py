"""What tasks returned is unsealed once, and read from files where it lies there."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from made_runs import MadeRun

from airflow_batchscore.plugin.returned import unsealed
from airflow_batchscore.plugin.xcoms import Returned
from airflow_batchscore.publish.run_view_records import TaskRecord

pytestmark = pytest.mark.dag


def _score(index: int) -> TaskRecord:
    return TaskRecord("score", index, "score", "success", 1, 1)


@pytest.fixture
def made(tmp_path: Path) -> MadeRun:
    run = MadeRun(tmp_path)
    for entry in run.plan([1, 30]):
        run.scored(entry)
    return run


def _values(run: MadeRun, name: str | None = None) -> list[tuple[TaskRecord, Returned]]:
    """What its scoring tasks returned, as a run of that name would have it."""
    return [
        (_score(index), Returned(name or run.name, task_id, index, value))
        for task_id, index, value in run.xcoms
        if task_id == "score"
    ]


def test_an_equal_value_is_the_object_that_was_read_before(made: MadeRun) -> None:
    first, second = (unsealed(copy.deepcopy(_values(made))).scored for _ in range(2))
    assert [second[instance] is first[instance] for instance in first] == [True, True]
    assert len(second["score", 1].partitions) == 30


def test_a_value_that_was_altered_meanwhile_is_read_anew_and_refused(made: MadeRun) -> None:
    unsealed(_values(made))
    altered = copy.deepcopy(_values(made))
    altered[0][1].value["label"] = "another"
    found = unsealed(altered)
    assert set(found.scored) == {("score", 1)}
    assert [problem.instance for problem in found.problems] == [("score", 0)]


def test_another_run_does_not_get_it(made: MadeRun) -> None:
    unsealed(_values(made))
    assert unsealed(_values(made, "other/run")).scored == {}
