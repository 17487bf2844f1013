"""What every operator does with this package's errors."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_batchscore.errors import GateError, InputChangedError, InputError
from airflow_batchscore.operators import CheckScoresOperator
from airflow_batchscore.operators.base import as_mapping, as_number, failing_at_once

pytestmark = pytest.mark.dag


@pytest.mark.parametrize("error", [InputError("no such column"), GateError("not published")])
def test_what_a_retry_cannot_fix_is_not_retried(error: Exception) -> None:
    with pytest.raises(AirflowFailException, match=f"{type(error).__name__}: {error}"), failing_at_once():
        raise error


@pytest.mark.parametrize("text", ['{"a": 1}', "{'a': 1}", " {'a': 1}\n"])
def test_an_object_that_a_template_made_into_text_is_one_again(text: str) -> None:
    assert as_mapping(text) == {"a": 1}


@pytest.mark.parametrize(
    "text", ["{", "{params}", '{"a":' * 100_000, "{1:" + "-" * 200_000, "{" + "[" * 100_000, "{[]: 1}"]
)
def test_a_text_that_only_begins_like_an_object_is_an_error_of_the_input(text: str) -> None:
    with pytest.raises(InputError, match="cannot be read: write a JSON object"):
        as_mapping(text)


def test_an_input_that_changed_is_taken_as_it_is_by_a_retry() -> None:
    with pytest.raises(InputChangedError), failing_at_once():
        raise InputChangedError("part_1.csv changed")


@pytest.mark.parametrize(
    ("value", "kind", "number"), [("3", int, 3), (1e6, int, 10**6), ("0.5", float, 0.5), (7, float, 7)]
)
def test_a_number_may_be_text_of_a_template(value: Any, kind: Any, number: float) -> None:
    found = as_number(value, "n", kind)
    assert (found, type(found)) == (number, kind)


@pytest.mark.parametrize(
    ("value", "kind"),
    [("", int), ("many", int), ("1.5", int), (1.5, int), (float("inf"), int), (None, int), ("nan", float), ([], float)],
)
def test_another_value_is_refused_by_the_arguments_name(value: Any, kind: Any) -> None:
    with pytest.raises(InputError, match="max_failed=.*: give a (whole )?number"):
        as_number(value, "max_failed", kind)


@pytest.mark.parametrize("text", ["{'a': 1", "{a: 1}", "{1 + }", '{"a": nowhere}'])
def test_text_that_begins_like_an_object_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="cannot be read: write a JSON object"):
        as_mapping(text)
    assert as_mapping("{'a': 1}") == as_mapping('{"a": 1}') == {"a": 1}


def test_a_param_that_was_left_empty_leaves_the_default() -> None:
    seen = {}

    class Seen(CheckScoresOperator):
        def __init__(self, *, max_skipped: Any = None, max_quarantined: Any = 0, **kwargs: Any) -> None:
            super().__init__(max_skipped=max_skipped, max_quarantined=max_quarantined, **kwargs)

        def run_stage(self, context: Any) -> None:
            seen.update(max_skipped=self.max_skipped, max_quarantined=self.max_quarantined)

    left = "{{ params.left }}"
    operator = Seen(task_id="check", plan=[], scores=[], max_skipped=left, max_quarantined=left)
    context: Any = {"params": {"left": None}}
    operator.render_template_fields(context)
    operator.execute(context)
    assert seen == {"max_skipped": None, "max_quarantined": 0}
