"""What every operator does with this package's errors."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from operator_calls import dag, executed

from airflow_batchscore.errors import InputError
from airflow_batchscore.operators import CheckScoresOperator
from airflow_batchscore.operators.base import as_bool, as_mapping, as_number, if_given

pytestmark = pytest.mark.dag


@pytest.mark.parametrize("text", ['{"a": 1}', "{'a': 1}", " {'a': 1}\n"])
def test_an_object_that_a_template_made_into_text_is_one_again(text: str) -> None:
    assert as_mapping(text) == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        *("{", "{'a': 1", "{params}", "{a: 1}", "{1 + }", '{"a": nowhere}', "{[]: 1}"),
        *('{"a":' * 100_000, "{1:" + "-" * 200_000, "{" + "[" * 100_000),
    ],
)
def test_a_text_that_only_begins_like_an_object_is_an_error_of_the_input(text: str) -> None:
    with pytest.raises(InputError, match="cannot be read: write a JSON object"):
        as_mapping(text)


def test_a_text_that_is_no_object_stays_as_it_is() -> None:
    assert as_mapping("s3://x@champion") == "s3://x@champion"


@pytest.mark.parametrize("value", [True, "True", "yes", " 1\n"])
def test_a_flag_may_be_text_of_a_template(value: Any) -> None:
    assert as_bool(value) is True


@pytest.mark.parametrize("value", ["False", "no", "", "none", 0])
def test_an_empty_flag_is_false(value: Any) -> None:
    assert as_bool(value) is False


def test_text_that_is_no_flag_is_refused() -> None:
    with pytest.raises(AirflowFailException, match="'perhaps' is neither true nor false"):
        as_bool("perhaps")


@pytest.mark.parametrize(
    ("value", "kind", "number"), [("3", int, 3), (1e6, int, 10**6), ("0.5", float, 0.5), (7, float, 7)]
)
def test_a_number_may_be_text_of_a_template(value: Any, kind: Any, number: float) -> None:
    read = as_number(value, "n", kind)
    assert (read, type(read)) == (number, kind)


@pytest.mark.parametrize(
    ("value", "kind"),
    [("", int), ("many", int), ("1.5", int), (1.5, int), (float("inf"), int), (None, int), ("nan", float), ([], float)],
)
def test_another_value_is_refused_by_the_arguments_name(value: Any, kind: Any) -> None:
    with pytest.raises(InputError, match="max_failed=.*: give a (whole )?number"):
        as_number(value, "max_failed", kind)


@pytest.mark.parametrize("native", [False, True])
def test_a_param_that_was_left_empty_leaves_the_default(native: bool) -> None:
    seen = {}

    class Seen(CheckScoresOperator):
        def __init__(self, *, max_skipped: Any = None, max_quarantined: Any = 0, **kwargs: Any) -> None:
            super().__init__(max_skipped=max_skipped, max_quarantined=max_quarantined, **kwargs)

        def run_stage(self, context: Any) -> None:
            seen.update(max_skipped=self.max_skipped, max_quarantined=self.max_quarantined)

    left = "{{ params.left }}"
    with dag(render_template_as_native_obj=native):
        operator = Seen(task_id="check", plan=[], scores=[], max_skipped=left, max_quarantined=left)
    executed(operator, params={"left": None})
    assert seen == {"max_skipped": None, "max_quarantined": 0}


@pytest.mark.parametrize(("value", "given"), [(0, 0), ("0", "0"), (False, False), (None, 7), ("", 7)])
def test_zero_is_a_value_and_nothing_is_none(value: Any, given: Any) -> None:
    assert if_given(value, 7) == given
