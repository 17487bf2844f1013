"""What counts of a run's records."""

from __future__ import annotations

import pytest
from run_records import plan, progress, records, scored, task

pytestmark = pytest.mark.unit


def test_the_progress_of_an_earlier_try_does_not_count() -> None:
    again = task("running", try_number=2)
    assert records(again, progress={again.instance: progress(try_number=1)}).progress_of(again) is None
    assert records(again, progress={again.instance: progress(try_number=2)}).progress_of(again) is not None


@pytest.mark.parametrize("state", [None, "scheduled", "queued", "upstream_failed"])
def test_the_progress_of_a_task_that_was_cleared_does_not_count(state: str | None) -> None:
    cleared = task(state)
    assert records(cleared, progress={cleared.instance: progress()}).progress_of(cleared) is None


def test_reused_rows_are_not_the_runs_own_work() -> None:
    (entry,) = plan(1)
    assert scored(entry).partitions[0].own_rows == 10
    assert scored(entry, reused=True).partitions[0].own_rows == 0


def test_a_task_without_a_label_is_named_by_its_place() -> None:
    assert (task("running", 3).name, task("running", -1, "plan").name) == ("score [3]", "plan")
