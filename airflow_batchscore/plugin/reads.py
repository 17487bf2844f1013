"""Reads of storage on behalf of pages: in the background, remembered, and never waited for longer than a page may."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from cachetools import LRUCache

T = TypeVar("T")

#: How long a failure is remembered, so that a storage that is down is not asked by every page again.
_FAILED_SECONDS = 20.0
_THREADS = 8


class LateError(TimeoutError):
    """Storage has not answered yet: what is asked for is still being read, and there for a later call."""


def pool(name: str) -> ThreadPoolExecutor:
    """Threads for reads. Those that take long need their own, so that they do not hold up those that do not."""
    return ThreadPoolExecutor(_THREADS, f"batchscore-{name}")


_pages = pool("pages")


class Reads(Generic[T]):
    """Values read from storage, by a name of their content.

    Args:
        most: values that are kept; the least recently used goes first.
        fresh: seconds after which a value is read again; None for content that never changes under its name.
        threads: that read; those for pages if not given.
    """

    def __init__(self, most: int, fresh: float | None = None, threads: ThreadPoolExecutor = _pages) -> None:
        self._threads = threads
        self._fresh = fresh
        self._kept: LRUCache[Hashable, tuple[Future[T], float]] = LRUCache(most)
        self._lock = threading.Lock()

    def get_all(
        self, wanted: Mapping[Hashable, Callable[[], T]], seconds: float
    ) -> tuple[dict[Hashable, T], dict[Hashable, Exception]]:
        """The values that are there within `seconds`, and why others are not.

        Those that take longer go on being read, and are there for a later call; until then they are a LateError, and no
        call waits for them again.

        Args:
            wanted: name -> what reads the value, in a thread.
        """
        futures, fresh = {}, []
        for name, read in wanted.items():
            futures[name], since = self._future(name, read)
            if time.monotonic() - since < seconds:
                fresh.append(futures[name])
        wait(fresh, seconds)
        values: dict[Hashable, T] = {}
        errors: dict[Hashable, Exception] = {}
        for name, future in futures.items():
            if not future.done():
                errors[name] = LateError("the storage has not answered yet")
            elif (error := future.exception()) is None:
                values[name] = future.result()
            elif isinstance(error, Exception):
                errors[name] = error
            else:
                raise error
        return values, errors

    def _future(self, name: Hashable, read: Callable[[], T]) -> tuple[Future[T], float]:
        now = time.monotonic()
        with self._lock:
            kept = self._kept.get(name)
            if kept is None or self._is_old(*kept, now):
                kept = self._kept[name] = (self._threads.submit(read), now)
            return kept

    def _is_old(self, future: Future[T], since: float, now: float) -> bool:
        if not future.done():
            return False
        age = now - since
        if future.exception() is not None:
            return age > _FAILED_SECONDS
        return self._fresh is not None and age > self._fresh
