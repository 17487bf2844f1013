"""What the database says of a run, and what of it is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_runs import DAG_ID, MadeRun
from pages import People

from airflow_batchscore.plan.estimate import Room, Sampled, predict
from airflow_batchscore.plugin.run_state import read_run, records_of
from airflow_batchscore.publish.run_view_records import RunRecords

pytestmark = [pytest.mark.dag, pytest.mark.usefixtures("airflow_dags")]


@pytest.fixture
def made(tmp_path: Path) -> MadeRun:
    return MadeRun(tmp_path)


def _records(run: MadeRun) -> RunRecords:
    from airflow.utils.session import create_session

    with create_session() as session:
        found = read_run(session, DAG_ID, run.write())
    assert found is not None
    return records_of(found)


def test_a_run_that_is_not_there_is_none() -> None:
    from airflow.utils.session import create_session

    with create_session() as session:
        assert read_run(session, DAG_ID, "nowhere") is None


def test_tasks_of_this_package_are_read_with_what_they_returned(made: MadeRun) -> None:
    entries = made.plan([1, 30])
    for entry in entries:
        made.scored(entry)
    made.task("extract", "PythonOperator", "success")
    records = _records(made)
    assert [(task.task_id, task.map_index, task.tries) for task in records.tasks] == [
        ("plan", -1, 1),
        ("score", 0, 1),
        ("score", 1, 1),
    ]
    assert records.plans == [entries]
    assert len(records.scored["score", 1].partitions) == 30
    assert records.problems == []


def test_a_task_of_a_users_subclass_is_what_it_extends(made: MadeRun) -> None:
    made.task("score", "OwnScoring", "running", 0)
    made.task("extract", "PythonOperator", "success")
    assert [(task.task_id, task.kind) for task in _records(made).tasks] == [("score", "score")]


def test_what_an_earlier_try_returned_does_not_count_once_the_task_is_cleared(made: MadeRun) -> None:
    (entry,) = made.plan([1])
    made.scored(entry)
    made.tasks[-1]["state"] = None
    assert _records(made).scored == {}


@pytest.mark.parametrize("change", [{"rows_read": 99}, {"manifest": "/etc/passwd"}])
def test_an_altered_result_is_a_problem_and_nothing_of_it_is_used(made: MadeRun, change: dict[str, Any]) -> None:
    for entry in made.plan([1, 1]):
        made.scored(entry)
    made.xcoms[-1][2]["manifests"][0].update(change)
    records = _records(made)
    assert set(records.scored) == {("score", 0)}
    (problem,) = records.problems
    assert (problem.instance, problem.kind) == (("score", 1), "GateError")
    assert "its seal does not match" in problem.message


def test_a_value_of_another_instance_is_refused(made: MadeRun) -> None:
    for entry in made.plan([1, 1]):
        made.scored(entry)
    first = made.xcoms[-2][2]
    made.xcoms[-1] = ("score", 1, first)
    (problem,) = _records(made).problems
    assert "this comes from score (map index 0)" in problem.message


@pytest.mark.parametrize("value", ["text", 3, None, [], [1], {"seal": 1}, {"task": ["plan", -1]}])
def test_odd_values_are_problems(made: MadeRun, value: Any) -> None:
    made.plan([1])
    made.xcoms[-1] = ("plan", -1, value)
    assert _records(made).plans == []


def test_a_success_without_a_result_was_marked(made: MadeRun) -> None:
    made.plan([1])
    made.task("score", "ScorePartitionOperator", "success", 0)
    (problem,) = _records(made).problems
    assert "marked as a success, but it returned nothing" in problem.message


def test_a_list_that_is_gone_or_altered_is_a_problem(made: MadeRun) -> None:
    for entry in made.plan([30, 30]):
        made.scored(entry)
    for file in made.lists.glob("*.json"):
        file.write_text(file.read_text() + " ")
    records = _records(made)
    assert (records.plans, records.scored) == ([], {})
    assert all("was altered" in problem.message for problem in records.problems)


def test_progress_that_somebody_wrote_is_ignored(made: MadeRun) -> None:
    (entry,) = made.plan([1])
    made.progress(entry)
    made.states[-1][3]["seconds"] = "long"
    assert _records(made).progress == {}


def test_a_task_that_a_newer_plan_does_not_need_is_gone(made: MadeRun) -> None:
    for entry in made.plan([1, 1]):
        made.scored(entry)
    made.task("score", "ScorePartitionOperator", "removed", 2)
    assert [task.instance for task in _records(made).of_kind("score")] == [("score", 0), ("score", 1)]


def test_a_class_of_another_package_with_the_same_name_is_not_ours(made: MadeRun) -> None:
    made.task("extract", "TrainOperator", "running")
    assert _records(made).tasks == []


def test_what_was_published_before_counts_while_the_task_runs_again(made: MadeRun) -> None:
    made.published()
    made.tasks[-1]["state"] = "scheduled"
    assert set(_records(made).published) == {("publish", -1)}


def test_what_the_plan_predicted_is_read_unless_somebody_edited_it(made: MadeRun) -> None:
    made.plan([1])
    estimate = predict([], Room(), Sampled(30, 0.5), reused=3)
    made.estimated(estimate)
    assert _records(made).estimates == [estimate]
    forged = MadeRun(made.lists)
    forged.plan([1])
    forged.estimated(estimate, cost=0.01)
    records = _records(forged)
    assert (records.estimates, records.problems) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [[1] * 1000, [100] * 100])
def test_the_view_of_a_big_run(people: People, made: MadeRun, sizes: list[int]) -> None:
    """Prints how long it takes (``pytest -s``)."""
    import time

    entries = made.plan(sizes)
    for entry in entries[:-10]:
        made.scored(entry)
    for entry in entries[-10:]:
        made.task("score", "ScorePartitionOperator", "running", entry.index)
        made.progress(entry, blocks=2, rows=500)
    made.write()
    client = people["viewer"]
    for _ in range(3):
        began, cpu = time.perf_counter(), time.process_time()
        answer = client.get(f"/api/run/{DAG_ID}/{made.run_id}")
        took = f"{time.perf_counter() - began:.3f} s, {time.process_time() - cpu:.3f} s of CPU"
        print(f"{len(sizes)} tasks, {sum(sizes)} partitions: {len(answer.content)} bytes in {took}")
    totals = answer.json()["totals"]
    assert (totals["partitions"], totals["by_state"]["scored"]) == (sum(sizes), sum(sizes[:-10]))
