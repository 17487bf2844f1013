"""Calls that a Dask cluster runs in this very process: it carries their numbers, so nothing is pickled.

Functions share what they hold (a model, a lock) with the task, and an error is raised as it was, with its cause.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from airflow_batchscore.engine.probe import Timing

R = TypeVar("R")

#: A dispatch costs a few milliseconds: calls that are shorter share one, for about as long as this.
_BATCH_SECONDS = 0.05
MOST_PER_BATCH = 16

_numbers = itertools.count()
_waiting: dict[int, tuple[Callable[..., Any], tuple[object, ...]]] = {}


@dataclass(frozen=True)
class Finished(Generic[R]):
    """What became of a call: its result, or the error that it raised."""

    timing: Timing
    result: R | None = None
    error: BaseException | None = None

    def get(self) -> R:
        """The result. Raises the error."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


@dataclass(frozen=True)
class Batch(Generic[R]):
    """What became of calls that shared a dispatch, and the numbers of those that it had no time for."""

    finished: list[Finished[R]]
    left: list[int]


class Calls(Iterator[tuple[object, ...]], Generic[R]):
    """Calls of one function, handed out as they are asked for: the arguments of `run_here`.

    It ends when there is none, and goes on once calls were `put_back`.
    """

    def __init__(self, function: Callable[..., R], arguments: Iterator[tuple[object, ...]]) -> None:
        self._function, self._arguments = function, arguments
        self._own: list[int] = []
        self._left: deque[int] = deque()
        self._stopped = False
        self._per_batch = 1

    def __next__(self) -> tuple[object, ...]:
        if self._left:
            return ([self._left.popleft()],)
        batch = [] if self._stopped else [self._keep(each) for each in islice(self._arguments, self._per_batch)]
        if not batch:
            raise StopIteration
        return (batch,)

    def _keep(self, argument: tuple[object, ...]) -> int:
        number = next(_numbers)
        _waiting[number] = (self._function, argument)
        self._own.append(number)
        return number

    @property
    def were_put_back(self) -> bool:
        """Whether calls are to be handed out again."""
        return bool(self._left)

    def put_back(self, numbers: list[int]) -> None:
        """Hand out calls again that a dispatch left, each by itself: they take longer than was expected."""
        self._left.extend(numbers)

    def took(self, timing: Timing) -> None:
        """Learn from a call how many make a batch."""
        seconds = max(timing.seconds, _BATCH_SECONDS / MOST_PER_BATCH)
        self._per_batch = max(1, int(_BATCH_SECONDS / seconds))

    def stop(self) -> None:
        """Take no further arguments."""
        self._stopped = True

    def close(self) -> None:
        """Forget the calls that did not begin."""
        for number in self._own:
            _waiting.pop(number, None)


def run_here(numbers: list[int]) -> Batch[Any]:
    """Run calls of this process until one fails or their time is over; those that nobody waits for are left out."""
    finished: list[Finished[Any]] = []
    end = time.monotonic() + _BATCH_SECONDS
    for place, number in enumerate(numbers):
        if finished and time.monotonic() > end:
            return Batch(finished, numbers[place:])
        call = _waiting.pop(number, None)
        if call is not None:
            finished.append(_run(*call))
            if finished[-1].error is not None:
                break
    return Batch(finished, [])


def _run(function: Callable[..., R], argument: tuple[object, ...]) -> Finished[R]:
    timing = Timing.start()
    try:
        result = function(*argument)
    except BaseException as error:  # the caller handles it
        return Finished(timing(), error=error)
    return Finished(timing(), result)
