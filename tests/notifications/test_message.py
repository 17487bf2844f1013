"""What a notification says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import TaskInstanceState
from airflow.sdk.exceptions import AirflowFailException
from operator_calls import dag, executed, handed_plan, handed_scores
from support import Small, good_rows, small

from airflow_batchscore import Recipe
from airflow_batchscore.notifications.message import Message, message_of
from airflow_batchscore.operators import CheckScoresOperator, EvaluateOperator, PlanPartitionsOperator

pytestmark = pytest.mark.dag


@pytest.fixture
def fresh(tmp_path: Path) -> Small:
    return small(tmp_path)


@pytest.fixture(autouse=True)
def _address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/here/")


def _context(state: TaskInstanceState | None, task: Any = None, **more: Any) -> dict[str, Any]:
    ti = SimpleNamespace(dag_id="d", task_id="audit", state=state, rendered_map_index=None)
    return {"dag": dag(), "run_id": "manual__2026-11-22T10:00:00+00:00", "ti": ti, "task": task, **more}


def _said(state: TaskInstanceState | None, task: Any = None, **more: Any) -> Message:
    message = message_of(_context(state, task, **more))
    assert message is not None
    return message


def _check(data: Small, *partitions: int, **limits: Any) -> CheckScoresOperator:
    """A gate that has looked at the scores of these partitions, of those planned."""
    scores = handed_scores(data, "r", 1, *partitions)
    return CheckScoresOperator(task_id="audit", plan=handed_plan("r", *partitions), scores=scores, **limits)


def test_a_gate_that_failed_names_every_problem_with_its_partition(fresh: Small) -> None:
    fresh.add(1, [(n, a + 100, b, label) for n, a, b, label in good_rows(50, 1000)])
    gate = _check(fresh, 0, 1, max_drift=0.25)
    with pytest.raises(AirflowFailException) as failure:
        executed(gate)
    message = _said(TaskInstanceState.FAILED, gate, exception=failure.value)
    assert message.title == "d: audit failed"
    (finding,) = message.findings
    assert finding.startswith("partition p=1 drifted from the training data (PSI ")
    assert message.url == (
        "https://airflow.example.com/here/dags/d/runs/manual__2026-11-22T10%3A00%3A00%2B00%3A00/plugin/batchscore-run"
    )
    assert message.text.splitlines() == [message.title, message.where, f"- {finding}", message.url]


def test_rows_in_quarantine_that_are_allowed_are_told_all_the_same(fresh: Small) -> None:
    fresh.add(1, [(1, "oops", 0.5, 1), (2, 0.5, 0.5, 1)])
    fresh.add(2, good_rows(20, 100))
    gate = _check(fresh, 1, 2, max_quarantined=5)
    executed(gate)
    message = _said(TaskInstanceState.SUCCESS, gate, exception=None)
    assert message.title == "d: audit passed, but needs a look"
    (finding,) = message.findings
    assert finding.startswith(f"1 row in quarantine: p=1 (1); for the reasons see {fresh.folder}/staged/p=1/")


def test_a_success_without_anything_to_look_at_says_nothing(fresh: Small) -> None:
    gate = _check(fresh, 0)
    executed(gate)
    assert message_of(_context(TaskInstanceState.SUCCESS, gate, exception=None)) is None
    assert message_of({"dag": dag(), "run_id": "r", "reason": "success"}) is None


def test_a_decayed_model_is_told_with_its_metric(fresh: Small) -> None:
    fresh.add(1, [(n, a, b, 1 - label) for n, a, b, label in good_rows(50, 1000)])
    watch = EvaluateOperator(
        task_id="watch",
        model=fresh.model.uri,
        dataset=fresh.dataset,
        partitions=1,
        require={"accuracy": ">=0.9"},
        recipe=Recipe(target="label"),
    )
    executed(watch)
    (finding,) = _said(TaskInstanceState.SUCCESS, watch).findings
    assert finding.startswith(f"model {fresh.model.uri} has decayed: accuracy is ")


def test_an_error_without_a_gate_is_told_as_it_is() -> None:
    error = AirflowFailException("InputError: partition p=1: column 'a' is missing")
    assert _said(TaskInstanceState.FAILED, exception=error).findings == [str(error)]
    assert _said(TaskInstanceState.UP_FOR_RETRY, exception=OSError("no answer")).findings == ["OSError: no answer"]
    assert "will be tried again" in _said(TaskInstanceState.UP_FOR_RETRY, exception=OSError()).title


def test_a_lost_task_says_where_to_look() -> None:
    assert "see the end of its log" in _said(None).findings[0]


def test_a_failed_run_says_where_its_page_is() -> None:
    message = message_of({"dag": dag(), "run_id": "r", "reason": "task_failure"})
    assert message is not None
    assert message.title == "d: a run failed"
    assert message.url.endswith("/dags/d/runs/r/plugin/batchscore-run")


def test_text_from_data_is_no_markup_and_a_long_message_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "")
    message = _said(TaskInstanceState.FAILED, exception=AirflowFailException("<img src=x>\n" + "x" * 2000))
    assert "<li>&lt;img src=x&gt;<br>xxx" in message.html
    assert message.findings[0].endswith("xxx ...")
    assert len(message.text) < 1200
    assert "href" not in message.html


def test_features_unlike_training_and_an_unusual_partition_are_told_in_words(fresh: Small) -> None:
    for partition in range(1, 13):
        fresh.add(partition, [(1, 99, 0.5, 1)] if partition == 12 else good_rows(100))
    plan = PlanPartitionsOperator(task_id="plan", dataset=fresh.dataset, partitions=[12], model=fresh.model.uri)
    executed(plan)
    message = _said(TaskInstanceState.SUCCESS, plan)
    assert message.title == "d: audit passed, but needs a look"
    assert message.findings[0].startswith("partition p=12 has ")
    assert "times the usual" in message.findings[0]
    gate = _check(fresh, 12, max_outside=0.01)
    with pytest.raises(AirflowFailException) as failure:
        executed(gate)
    (finding,) = _said(TaskInstanceState.FAILED, gate, exception=failure.value).findings
    assert finding == (
        "partition p=12: in a, 100.00% of the rows lie outside the range of training (0 to 4), such as 99 (allowed "
        "1.00%): see whether a unit or a default value changed, or train a version on such values"
    )
