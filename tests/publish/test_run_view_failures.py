"""Why tasks failed: their own words, what silence means, who waits for whom."""

from __future__ import annotations

import pytest
from run_records import records, task

from airflow_batchscore.publish.progress import Failure
from airflow_batchscore.publish.run_view_failures import collect_failures
from airflow_batchscore.publish.run_view_records import Problem

pytestmark = pytest.mark.unit

SAID = Failure(1, "InputError", "partition p=3: the column b is missing; add it", retried=False)


def test_a_task_that_said_why_is_quoted() -> None:
    failed = task("failed", 3)
    found = collect_failures(records(failed, failures={failed.instance: SAID}), {failed.instance: "p=3"})
    (view,) = found.views
    assert (view.kind, view.message, view.how, view.retried) == ("InputError", SAID.message, "error", False)
    assert view.where == [{"task_id": "score", "map_index": 3, "try_number": 1, "label": "p=3"}]
    assert found.of == {failed.instance: 0}


def test_a_task_that_failed_without_a_word_was_killed_and_keeps_its_name() -> None:
    killed = task("failed", 3, try_number=2)  # what is there was said by the first try
    (view,) = collect_failures(records(killed, failures={killed.instance: SAID}), {killed.instance: "year=2009"}).views
    assert (view.how, view.where[0]["label"]) == ("killed", "year=2009")
    assert "ended without a word: it was killed, often because memory ran out (exit by SIGKILL)" in view.message
    assert "Finished blocks are kept; clear the task to go on from there" in view.message


def test_a_killed_task_that_airflow_runs_again_is_left_to_it() -> None:
    (view,) = collect_failures(records(task("up_for_retry")), {}).views
    assert view.retried
    assert "Airflow runs it again by itself" in view.message


@pytest.mark.parametrize(("state", "retried"), [("failed", False), ("up_for_retry", True)])
def test_an_airflow_that_keeps_no_reasons_sends_to_the_log_and_guesses_no_kill(state: str, retried: bool) -> None:
    (view,) = collect_failures(records(task(state), keeps_state=False), {}).views
    assert (view.how, view.retried) == ("error", retried)
    assert view.message.startswith("The task's log says why: this Airflow is older than 3.3")
    assert "killed" not in view.message


def test_a_task_that_never_began_was_not_killed_by_its_work() -> None:
    (view,) = collect_failures(records(task("failed", started=None)), {}).views
    assert view.kind == "NeverBegan"


def test_a_sensor_that_gave_up_was_not_killed() -> None:
    (view,) = collect_failures(records(task("failed", -1, "wait")), {}).views
    assert (view.kind, view.how) == ("SensorFailed", "error")


def test_equal_messages_are_one_failure_that_names_the_first_twenty() -> None:
    failed = [task("failed", index) for index in range(30)]
    found = collect_failures(records(*failed, failures={each.instance: SAID for each in failed}), {})
    (view,) = found.views
    assert (view.tasks, len(view.where), view.where[0]["label"]) == (30, 20, "score [0]")
    assert set(found.of.values()) == {0}


def test_tasks_that_could_not_begin_point_to_the_one_that_failed_and_come_last() -> None:
    upstream = [task("upstream_failed", -1, kind) for kind in ("check_scores", "combine")]
    failed = task("failed", 3)
    found = collect_failures(records(*upstream, failed, failures={failed.instance: SAID}), {})
    assert [view.how for view in found.views] == ["error", "upstream"]
    assert found.views[1].message.startswith("Task score failed, so this did not begin.")
    assert found.views[1].tasks == 2


def test_what_cannot_be_used_of_a_tasks_result_is_a_failure() -> None:
    done = task("success")
    problem = Problem(done.instance, "GateError", "its seal does not match")
    (view,) = collect_failures(records(done, problems=[problem]), {}).views
    assert (view.kind, view.message) == ("GateError", "its seal does not match")
