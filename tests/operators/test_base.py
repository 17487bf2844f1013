"""What every operator does with this package's errors."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_batchscore.errors import GateError, InputChangedError, InputError
from airflow_batchscore.operators.base import failing_at_once

pytestmark = pytest.mark.dag


@pytest.mark.parametrize("error", [InputError("no such column"), GateError("not published")])
def test_what_a_retry_cannot_fix_is_not_retried(error: Exception) -> None:
    with pytest.raises(AirflowFailException, match=f"{type(error).__name__}: {error}"), failing_at_once():
        raise error


def test_an_input_that_changed_is_taken_as_it_is_by_a_retry() -> None:
    with pytest.raises(InputChangedError), failing_at_once():
        raise InputChangedError("part_1.csv changed")
