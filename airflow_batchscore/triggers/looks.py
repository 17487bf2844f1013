"""Looks at storage for the triggers of one process: in threads of their own, and one for all who ask for the same.

A triggerer waits for thousands of sensors on one event loop. A store that is dead holds the thread that asks it, so the
threads are bounded, each place holds one at most, and those that wait long no longer stand in the others' way.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

#: Looks that run at the same time, of those that have not run for `_QUICK_SECONDS`: those wait for a store.
_AT_ONCE = 16
_QUICK_SECONDS = 10.0
#: Threads in all, also those that dead stores hold.
_THREADS = 256
#: Seconds after which a look counts as unanswered.
LOOK_SECONDS = 300.0
_ADMISSION_SECONDS = 0.1
#: For how long an answer is kept, to be shared: one this old is as good as a new one to a trigger that has not seen it.
KEPT_SECONDS = 5.0


@dataclass
class _Look:
    began: float = field(default_factory=time.monotonic)
    time: float = field(default_factory=time.time)
    answer: Future[Any] = field(default_factory=Future)

    def age(self) -> float:
        return time.monotonic() - self.began


class Looks:
    """Blocking calls by name; those who ask under one name share a call that runs, or that began not long ago."""

    def __init__(self, *, at_once: int = _AT_ONCE, threads: int = _THREADS, seconds: float = LOOK_SECONDS) -> None:
        self._at_once = at_once
        self._threads = threads
        self._seconds = seconds
        self._lock = threading.Lock()
        self._looks: dict[str, _Look] = {}

    async def look(self, name: str, call: Callable[[], Any], *, max_age: float) -> tuple[Any, float]:
        """What `call` returned, or what another call of that name did, and when it began in seconds since 1970.

        Args:
            max_age: how old an answer may be, in seconds; none is older than `KEPT_SECONDS` when another look begins.

        Raises:
            OSError: it has not answered for `LOOK_SECONDS`, or too many others have not.
            Exception: what the call raised.
        """
        while (found := self._join(name, call, max_age)) is None:
            await asyncio.sleep(_ADMISSION_SECONDS)
        # The threads' own answer is not cancelled when one who waits for it is.
        waiting = asyncio.shield(asyncio.wrap_future(found.answer))
        try:
            return await asyncio.wait_for(waiting, max(self._seconds - found.age(), 0)), found.time
        except TimeoutError:
            raise OSError(f"storage has not answered for {found.age():.0f} s") from None

    def _join(self, name: str, call: Callable[[], Any], max_age: float) -> _Look | None:
        """A look that runs or is fresh, else a new one; None while too many run."""
        with self._lock:
            found = self._looks.get(name)
            if found and (not found.answer.done() or found.age() <= max_age):
                return found
            self._looks = {n: k for n, k in self._looks.items() if not k.answer.done() or k.age() <= KEPT_SECONDS}
            running = [look for look in self._looks.values() if not look.answer.done()]
            if len(running) >= self._threads:
                raise OSError(f"{len(running)} looks at other data sets wait for storage that does not answer")
            if sum(look.age() < _QUICK_SECONDS for look in running) >= self._at_once:
                return None
            found = self._looks[name] = _Look()
            # A daemon: a thread that hangs in a dead store must not keep the triggerer from ending.
            threading.Thread(target=_answer, args=(found.answer, call), name="batchscore-look", daemon=True).start()
            return found


def _answer(answer: Future[Any], call: Callable[[], Any]) -> None:
    try:
        answer.set_result(call())
    except BaseException as error:
        answer.set_exception(error)


#: Of this process.
shared = Looks()
