"""What anybody may write into the task state store is believed where it is what a task writes, and nowhere else."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from kept import FAILURE, GATE, PROGRESS

from airflow_batchscore.plugin.stored_state import stored_failure, stored_gate, stored_progress

pytestmark = pytest.mark.unit


def test_what_tasks_write_is_read_as_it_was() -> None:
    assert stored_progress(json.dumps(PROGRESS.to_dict())) == PROGRESS
    assert stored_failure(json.dumps(FAILURE.to_dict())) == FAILURE
    assert stored_gate(json.dumps(GATE.to_dict())) == GATE


def test_long_progress_is_read_too() -> None:
    done = [[begin, begin] for begin in range(0, 4000, 2)]
    text = json.dumps({**PROGRESS.to_dict(), "done": done})
    found = stored_progress(text)
    assert found is not None
    assert found.done == done


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 99},
        {"seconds": "long"},
        {"done": [[0]]},
        {"done": "all"},
        {"started": "yesterday"},
        {"started": "2026-11-22T10:00:00"},
        {"slowest": [{"partition": 1}]},
        {"rows_read": None},
        {"seconds": math.inf},
        {"seconds": 1e300},
        {"blocks": -1},
        {"blocks_total": 10**400},
        {"memory": math.nan},
        {"seconds": "NaN"},
        {"start_up": "nan"},
        {"rows_read": "-5"},
        {"workers": "-100"},
        {"rows_read": "9" * 400},
        {"dataset": "\ud800"},
        {"slowest": [{"partition": "p", "block": 0, "rows": 1, "seconds": "inf"}]},
        {"done": [[0, 9999]] * 6500},
        {"done": [[3, 1]]},
    ],
)
def test_progress_that_is_none_of_ours_is_ignored(change: dict[str, Any]) -> None:
    assert stored_progress(json.dumps({**PROGRESS.to_dict(), **change})) is None


@pytest.mark.parametrize(
    "change",
    [{"message": "half a character: \ud800"}, {"message": 7}, {"retried": "no"}, {"try_number": -1}, {"schema": 99}],
)
def test_a_failure_that_is_none_of_ours_is_ignored(change: dict[str, Any]) -> None:
    assert stored_failure(json.dumps({**FAILURE.to_dict(), **change})) is None


@pytest.mark.parametrize("checks", [None, "all", [{"what": "drift"}], [{**GATE.checks[0].to_dict(), "found": 3}]])
def test_a_gate_that_is_none_of_ours_is_ignored(checks: Any) -> None:
    assert stored_gate(json.dumps({**GATE.to_dict(), "checks": checks})) is None


@pytest.mark.parametrize("text", ["s3://states/17", "", "null", "[]", '"text"', "[" * 100_000])
def test_what_is_not_even_an_object_is_ignored(text: str) -> None:
    """Such as the reference that another backend stores here."""
    assert stored_progress(text) is stored_failure(text) is stored_gate(text) is None
