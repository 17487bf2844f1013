"""A model of another year on a real scheduler: LocalExecutor forks the task, which starts the other Python."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

import pytest
from old_models import forest_of_2023, require_equal
from runs import succeed
from stack import Stack, StackError

pytestmark = [pytest.mark.environments, pytest.mark.timeout(900)]


def test_a_model_of_2023_is_taken_over_and_scored_with_its_own_libraries(stack: Stack, tmp_path: Path) -> None:
    digest = forest_of_2023(tmp_path)
    variable = {"key": "theirs", "value": digest}
    try:
        stack.patch("/api/v2/variables/theirs", variable)
    except StackError:
        stack.post("/api/v2/variables", variable)
    run_id = succeed(stack, "other_python", {"partitions": [1]}, tmp_path)
    require_equal(tmp_path)
    (score,) = (task for task in stack.task_instances("other_python", run_id) if task["task_id"] == "score")
    said = stack.task_log(score)
    assert any("running in" in line and "/.environments/" in line for line in said)
    assert any("2 threads of of_2023.txt" in line for line in said)
    path = f"/api/v2/dags/other_python/dagRuns/{urllib.parse.quote(run_id)}/taskInstances/score/state-store?map_index=0"
    assert "batchscore_progress" in str(stack.get(path))
