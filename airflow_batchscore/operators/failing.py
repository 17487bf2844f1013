"""How a task fails: Airflow retries it or not, its state store says why, and its log ends with the message.

Airflow logs an exception with every frame of its stack, which pushes the message out of sight. So what this package
raises on purpose carries no stack but that of the user's code; the whole stack is logged at DEBUG.
"""

from __future__ import annotations

import logging
import re
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from airflow.sdk.log import redact  # type: ignore[attr-defined]

from airflow_batchscore.data.pattern import shown
from airflow_batchscore.errors import BatchScoreError, InputChangedError, first_lines
from airflow_batchscore.operators.task_store import TaskStore
from airflow_batchscore.publish.progress import FAILURE_KEY, Failure

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

log = logging.getLogger(__name__)

#: What ends a try otherwise than well; a kill is none of them.
ERRORS = (Exception, AirflowTaskTimeout)
_NO_FAILURES = (AirflowSkipException, AirflowRescheduleException)
#: What mistakes in code raise.
_DEFECTS = (AttributeError, ImportError, KeyError, NameError, TypeError)
_PARTITION = re.compile(r"\bpartitions? \w\S*=\S*")
_PACKAGE = str(Path(__file__).parents[1])
_INSTALLED = {"site-packages", "dist-packages"}


def begin_try(context: Mapping[str, Any], store: TaskStore, keys: Sequence[str] = (FAILURE_KEY,)) -> None:
    """Forget what the last try left under these keys."""
    if try_number(context) > 1:
        for key in keys:
            store.delete(key)


def failed(operator: BaseOperator, context: Mapping[str, Any], store: TaskStore, error: BaseException) -> BaseException:
    """What to raise for an error that ends a try, after its reason was stored.

    Returns:
        The error itself, or, if a retry cannot fix it, one that Airflow does not retry.
    """
    if isinstance(error, _NO_FAILURES):
        return error
    failure = _failure(operator, context, error)
    failure = replace(failure, message=_shown(failure.message))
    label = str(getattr(operator, "partition_label", ""))  # a sensor has none
    if label not in failure.message:
        failure = replace(failure, message=f"{label}: {failure.message}")
    store.set(FAILURE_KEY, replace(failure, message=str(redact(failure.message))).to_dict())
    _end_log_with(operator, f"{failure.kind}: {failure.message}")
    if not isinstance(error, BatchScoreError) and not _is_defect(error):
        return error
    log.debug("the stack of the error", exc_info=error)
    return raised(error)


def raised(error: BaseException) -> Exception:
    """An error as Airflow gets it: the same message, with the stack of the user's code alone."""
    told = f"{type(error).__name__}: {_shown(str(error))}"
    given = error if isinstance(error, InputChangedError) else AirflowFailException(told)
    given.__cause__ = _beyond_this_package(error)  # which also hides the context
    return given.with_traceback(None)


def _shown(message: str) -> str:
    """A message with the names of partitions as people write them; places stay as they are."""
    return _PARTITION.sub(lambda found: shown(found[0]), message)


def try_number(context: Mapping[str, Any]) -> int:
    """Which try of the task this is; 1 outside Airflow."""
    return int(getattr(context.get("ti"), "try_number", 1))


def _failure(operator: BaseOperator, context: Mapping[str, Any], error: BaseException) -> Failure:
    number, kind, message = try_number(context), type(error).__name__, first_lines(error)
    if isinstance(error, BatchScoreError):
        return Failure(number, kind, message, retried=isinstance(error, InputChangedError))
    if isinstance(error, (AirflowFailException, AirflowSensorTimeout)):
        reason, _, rest = message.partition(": ")  # as `raised` and the trigger write it
        kind, message = (reason, rest) if reason.isidentifier() and rest else (kind, message)
        return Failure(number, kind, message, retried=False)
    if isinstance(error, AirflowTaskTimeout):
        limit = f"execution_timeout={operator.execution_timeout}"
        return Failure(number, kind, f"the task took longer than {limit}. {_advice(operator)}", retried=True)
    text = f"{message or 'no message'}{_place(error)}. "
    if _is_defect(error):
        return Failure(number, kind, f"{text}A retry cannot fix that: correct the code", retried=False)
    return Failure(number, kind, f"{text}{_advice(operator)}", retried=True)


def _is_defect(error: BaseException) -> bool:
    """Whether code of the user's cannot run, whatever the data and the machine are like."""
    return isinstance(error, _DEFECTS) and any(map(_is_users, _frames(error)))


def _place(error: BaseException) -> str:
    """Where an error was raised that this package did not foresee: in the user's code, if that was called."""
    frames = _frames(error)
    last = next(filter(_is_users, reversed(frames)), frames[-1] if frames else None)
    if last is None:
        return ""
    code = last.tb_frame.f_code
    return f" (raised in {code.co_name}, {code.co_filename}:{last.tb_lineno})"


def _frames(error: BaseException) -> list[TracebackType]:
    """The stack of an error, outermost first."""
    frames, last = [], error.__traceback__
    while last is not None:
        frames.append(last)
        last = last.tb_next
    return frames


def _is_users(frame: TracebackType) -> bool:
    """Whether a frame is of code that is neither this package's nor installed, such as that of a DAGs folder."""
    file = frame.tb_frame.f_code.co_filename
    is_pythons = file.startswith(("<", sysconfig.get_path("stdlib")))
    return not is_pythons and not file.startswith(_PACKAGE) and _INSTALLED.isdisjoint(Path(file).parts)


def _advice(operator: BaseOperator) -> str:
    return f"A retry of {operator.task_id} may fix it; if it does not, look at the stack in this log"


def _beyond_this_package(error: BaseException) -> BaseException | None:
    """The first cause that is not this package's, with the frames below its own; None if there are none."""
    cause: BaseException | None = error
    while isinstance(cause, BatchScoreError):
        cause = cause.__cause__
    if cause is None:
        return None
    frames: TracebackType | None = cause.__traceback__
    beyond = frames
    while frames is not None:
        if frames.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            beyond = frames.tb_next
        frames = frames.tb_next
    return cause.with_traceback(beyond) if beyond is not None else None


def _end_log_with(operator: BaseOperator, message: str) -> None:
    """Let the log end with the message: Airflow logs an error, and then calls the callbacks."""

    def say(context: Mapping[str, Any]) -> None:
        log.info("::endgroup::")  # Airflow's "Post Execute", which its UI shows folded
        log.error("%s", message)

    for name in ("on_failure_callback", "on_retry_callback"):
        given: list[Callable[..., object]] = list(getattr(operator, name) or ())
        setattr(operator, name, [*given, say])
