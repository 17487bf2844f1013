"""Storage checks for the triggers of one process: in their own threads, shared by all who ask for the same.

A triggerer waits for thousands of sensors on one event loop. A dead store blocks the thread that asks it, so the
number of threads is bounded, each location blocks at most one, and long waits no longer hold up the others.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from airflow_batchscore.data.readiness import Listing

T = TypeVar("T")

#: Checks running at the same time, counting only those younger than `_QUICK_SECONDS`: older ones wait for a store.
_AT_ONCE = 16
_QUICK_SECONDS = 10.0
#: Threads in all, including those blocked by dead stores.
_THREADS = 256
#: Seconds after which a check counts as unanswered.
LOOK_SECONDS = 300.0
_ADMISSION_SECONDS = 0.1
#: How long an answer is kept for sharing: one this old is as good as new to a trigger that has not seen it.
KEPT_SECONDS = 5.0


@dataclass
class _Look(Generic[T]):
    began: float = field(default_factory=time.monotonic)
    time: float = field(default_factory=time.time)
    answer: Future[T] = field(default_factory=Future)

    def age(self) -> float:
        return time.monotonic() - self.began


class Looks(Generic[T]):
    """Blocking calls by name; callers with the same name share a call that is running or began recently."""

    def __init__(self, *, at_once: int = _AT_ONCE, threads: int = _THREADS, seconds: float = LOOK_SECONDS) -> None:
        self._at_once = at_once
        self._threads = threads
        self._seconds = seconds
        self._lock = threading.Lock()
        self._looks: dict[str, _Look[T]] = {}

    async def look(self, name: str, call: Callable[[], T], *, max_age: float) -> tuple[T, float]:
        """What `call`, or another call of that name, returned, and when that call began in seconds since 1970.

        Args:
            max_age: how old an answer may be, in seconds; none is older than `KEPT_SECONDS` when another check begins.

        Raises:
            OSError: no answer for `LOOK_SECONDS`, or too many other calls are unanswered.
            Exception: what the call raised.
        """
        while (look := self._join(name, call, max_age)) is None:
            await asyncio.sleep(_ADMISSION_SECONDS)
        # Cancelling one caller must not cancel the threads' shared answer.
        waiting = asyncio.shield(asyncio.wrap_future(look.answer))
        try:
            return await asyncio.wait_for(waiting, max(self._seconds - look.age(), 0)), look.time
        except TimeoutError:
            raise OSError(f"storage has not answered for {look.age():.0f} s") from None

    def _join(self, name: str, call: Callable[[], T], max_age: float) -> _Look[T] | None:
        """A running or fresh check, else a new one; None while too many run."""
        with self._lock:
            look = self._looks.get(name)
            if look and (not look.answer.done() or look.age() <= max_age):
                return look
            self._looks = {n: k for n, k in self._looks.items() if not k.answer.done() or k.age() <= KEPT_SECONDS}
            running = [look for look in self._looks.values() if not look.answer.done()]
            if len(running) >= self._threads:
                raise OSError(f"{len(running)} looks at other datasets wait for storage that does not answer")
            if sum(look.age() < _QUICK_SECONDS for look in running) >= self._at_once:
                return None
            look = self._looks[name] = _Look()
            # A daemon: a thread stuck in a dead store must not keep the triggerer from exiting.
            threading.Thread(target=_answer, args=(look.answer, call), name="batchscore-look", daemon=True).start()
            return look


def _answer(answer: Future[T], call: Callable[[], T]) -> None:
    try:
        answer.set_result(call())
    except BaseException as error:
        answer.set_exception(error)


#: Shared within this process.
shared: Looks[Listing] = Looks()
