"""What every operator does with this package's errors."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_batchscore.errors import GateError, InputChangedError, InputError
from airflow_batchscore.operators.base import as_mapping, failing_at_once

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
