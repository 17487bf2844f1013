"""How a task fails: what Airflow is told, what its state store keeps, and what its log ends with."""

from __future__ import annotations

import logging
import re
import traceback
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, AirflowTaskTimeout
from operator_calls import Store, dag

from airflow_batchscore.errors import GateError, InputChangedError, InputError, RecipeError
from airflow_batchscore.operators.base import BatchScoreOperator
from airflow_batchscore.publish.progress import Failure

pytestmark = pytest.mark.dag


def _users_function() -> None:
    raise ZeroDivisionError("no row has a price")


class Failing(BatchScoreOperator):
    """Raises what it was given."""

    partition_label = "p=1"

    def __init__(self, *, error: BaseException | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error = error

    def run_stage(self, context: Any) -> None:
        if self.error is None:
            return
        try:
            if isinstance(self.error, RecipeError):
                _users_function()
        except ZeroDivisionError as cause:
            raise self.error from cause
        raise self.error


def _task(error: BaseException | None, **options: Any) -> Failing:
    with dag():
        return Failing(error=error, task_id="score", **options)


def _context(store: Store, try_number: int = 1) -> Any:
    instance = SimpleNamespace(task_id="score", map_index=-1, try_number=try_number)
    run = SimpleNamespace(dag_id="d", run_id="r", partition_key=None)
    return {"dag_run": run, "ti": instance, "params": {}, "task_state_store": store}


def _failed(error: BaseException, kind: type[BaseException], **options: Any) -> tuple[BaseException, Failure]:
    store = Store()
    with pytest.raises(kind) as raised:
        _task(error, **options).execute(_context(store))
    failure = Failure.from_dict(store["batchscore_failure"])
    assert failure is not None
    return raised.value, failure


@pytest.mark.parametrize("error", [InputError("p=1: no such column"), GateError("p=1: not published")])
def test_what_a_retry_cannot_fix_is_not_retried(error: Exception) -> None:
    shown, failure = _failed(error, AirflowFailException)
    assert str(shown) == f"{type(error).__name__}: {error}"
    assert failure == Failure(1, type(error).__name__, str(error), False)


def test_partitions_are_named_as_people_write_them_and_places_as_they_are() -> None:
    error = InputError("partition shop=k%C3%B6ln: /staged/shop=k%C3%B6ln is gone")
    shown, failure = _failed(error, AirflowFailException)
    assert failure.message == "p=1: partition shop=k\u00f6ln: /staged/shop=k%C3%B6ln is gone"
    assert str(shown) == "InputError: partition shop=k\u00f6ln: /staged/shop=k%C3%B6ln is gone"


def test_an_input_that_changed_is_taken_as_it_is_by_a_retry() -> None:
    shown, failure = _failed(InputChangedError("part_1.csv changed"), InputChangedError)
    assert str(shown) == "part_1.csv changed"
    assert (failure.message, failure.retried) == ("p=1: part_1.csv changed", True)


def test_only_the_users_frames_are_shown_of_what_this_package_raises() -> None:
    shown, _ = _failed(RecipeError("f raised ZeroDivisionError"), AirflowFailException)
    text = "".join(traceback.format_exception(shown))
    assert "in _users_function" in text
    assert text.count("airflow_batchscore/operators/base.py") == 1
    assert "run_stage" not in text.partition("direct cause")[2]


def test_a_foreign_error_keeps_its_stack_and_its_message_says_where() -> None:
    shown, failure = _failed(OSError("the disk is full"), OSError)
    assert "run_stage" in "".join(traceback.format_exception(shown))
    assert failure.retried
    assert failure.message.startswith("p=1: the disk is full (raised in run_stage, ")
    assert "A retry of score may fix it" in failure.message


def _users_lookup() -> None:
    pd.DataFrame({"a": [1]})["Kommentar"]


def test_a_mistake_in_the_users_code_is_not_retried_and_the_message_names_its_line() -> None:
    store, task = Store(), _task(None)
    task.run_stage = lambda context: _users_lookup()  # type: ignore[method-assign]
    with pytest.raises(AirflowFailException, match="KeyError: 'Kommentar'") as raised:
        task.execute(_context(store))
    failure = Failure.from_dict(store["batchscore_failure"])
    assert failure is not None
    assert (failure.kind, failure.retried) == ("KeyError", False)
    assert re.fullmatch(
        r"p=1: 'Kommentar' \(raised in _users_lookup, .*test_failing.py:\d+\)\. A retry cannot fix that: .*",
        failure.message,
    )
    assert "in _users_lookup" in "".join(traceback.format_exception(raised.value))


def test_a_type_error_of_a_library_alone_is_retried() -> None:
    store, task = Store(), _task(None)
    task.run_stage = pd.concat  # type: ignore[method-assign, assignment]
    with pytest.raises(TypeError):
        task.execute(_context(store))
    failure = Failure.from_dict(store["batchscore_failure"])
    assert failure is not None
    assert failure.retried


def test_a_task_that_takes_too_long_says_so() -> None:
    _, failure = _failed(AirflowTaskTimeout("Timeout"), AirflowTaskTimeout)
    assert failure.message.startswith("p=1: the task took longer than execution_timeout=")


@pytest.mark.parametrize("error", [SystemExit(143), AirflowSkipException("nothing to do")])
def test_a_kill_and_a_skip_are_no_failures(error: BaseException) -> None:
    store = Store()
    with pytest.raises(type(error)):
        _task(error).execute(_context(store))
    assert not store


def test_the_next_try_forgets_why_the_last_one_failed() -> None:
    store = Store(batchscore_failure={"schema": 1})
    _task(None).execute(_context(store, try_number=2))
    assert not store


def test_a_store_that_fails_is_named_once_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def _fail(self, *_: object) -> None:
            raise RuntimeError("503")

        get = set = delete = _fail

    context = _context(Store(), try_number=2) | {"task_state_store": Broken()}
    with caplog.at_level(logging.WARNING), pytest.raises(AirflowFailException, match="InputError: bad"):
        _task(InputError("bad")).execute(context)
    assert caplog.text.count("RuntimeError: 503") == 1


def test_the_callbacks_end_the_log_with_the_message_after_the_users(caplog: pytest.LogCaptureFixture) -> None:
    task = _task(InputError("no such column"), on_failure_callback=lambda _: logging.error("the user's"))
    with pytest.raises(AirflowFailException):
        task.execute(_context(Store()))
    caplog.clear()
    for callback in task.on_failure_callback:
        callback({})  # type: ignore[arg-type, operator]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "the user's",
        "InputError: p=1: no such column",
    ]
    assert len(task.on_retry_callback) == 1
