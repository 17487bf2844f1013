"""Reads of storage on behalf of pages: in the background, remembered, and never waited for longer than a page may."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import LRUCache

from airflow_batchscore.data.storage import Location, split_scheme

T = TypeVar("T")

#: How long a failure is remembered, so that a storage that is down is not asked by every page again.
_FAILED_SECONDS = 20.0
#: After so long without an answer a read is tried again.
_PENDING_SECONDS = 60.0
#: For each storage.
_THREADS = 8


class LateError(TimeoutError):
    """Storage has not answered yet: what is asked for is still being read, and there for a later call."""


@dataclass(frozen=True)
class At(Generic[T]):
    """A read that says where: only reads of the same storage wait for each other."""

    place: Location
    read: Callable[[], T]

    def __call__(self) -> T:
        return self.read()


class Pools:
    """Threads for reads, a few for each storage: one that hangs holds up no other."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._pools: dict[Hashable, ThreadPoolExecutor] = {}
        self._lock = threading.Lock()

    def submit(self, read: Callable[[], T]) -> Future[T]:
        """Call it in a thread of its storage. Reads that do not say where they read share some threads."""
        storage = _storage(read.place) if isinstance(read, At) else None
        with self._lock:
            if storage not in self._pools:
                self._pools[storage] = ThreadPoolExecutor(_THREADS, self._name)
            return self._pools[storage].submit(read)


def pool(name: str) -> Pools:
    """Threads for reads. Those that take long need their own, so that they do not hold up those that do not."""
    return Pools(f"batchscore-{name}")


def _storage(place: Location) -> Hashable:
    """A disk, or a bucket or server as a connection reaches it."""
    scheme, rest = split_scheme(place.uri)
    return None if place.is_local else (place.conn_id, scheme, rest.partition("/")[0])


_pages = pool("pages")


class _Read(Generic[T]):
    """A read that was begun."""

    def __init__(self, future: Future[T]) -> None:
        self.future = future
        self.since = time.monotonic()
        self._over = math.inf
        future.add_done_callback(self._end)

    def _end(self, _: Future[T]) -> None:
        self._over = time.monotonic()

    def is_old(self, fresh: float | None) -> bool:
        """Whether it is to be read again."""
        now = time.monotonic()
        if not self.future.done():
            return now - self.since > _PENDING_SECONDS
        if self.future.exception() is not None:
            return now - self._over > _FAILED_SECONDS
        return fresh is not None and now - self._over > fresh


class Reads(Generic[T]):
    """Values read from storage, by a name of their content.

    Args:
        most: values that are kept; the least recently used goes first.
        fresh: seconds after which a value is read again; None for content that never changes under its name.
        threads: that read; those for pages if not given.
    """

    def __init__(self, most: int, fresh: float | None = None, threads: Pools = _pages) -> None:
        self._threads = threads
        self._fresh = fresh
        self._kept: LRUCache[Hashable, _Read[T]] = LRUCache(most)
        self._lock = threading.Lock()

    def get_all(
        self, wanted: Mapping[Hashable, Callable[[], T]], seconds: float
    ) -> tuple[dict[Hashable, T], dict[Hashable, Exception]]:
        """The values that are there within `seconds`, and why others are not.

        Those that take longer go on being read, and are there for a later call; until then they are a LateError, and no
        call waits for them again.

        Args:
            wanted: name -> what reads the value, in a thread: an `At`, so that it waits for no other storage.
        """
        reads = {name: self._begun(name, read) for name, read in wanted.items()}
        wait([read.future for read in reads.values() if time.monotonic() - read.since < seconds], seconds)
        values: dict[Hashable, T] = {}
        errors: dict[Hashable, Exception] = {}
        for name, read in reads.items():
            if not read.future.done():
                errors[name] = LateError("the storage has not answered yet")
            elif (error := read.future.exception()) is None:
                values[name] = read.future.result()
            elif isinstance(error, Exception):
                errors[name] = error
            else:
                raise error
        return values, errors

    def forget(self, name: Hashable) -> None:
        """What it names has changed: the next call reads it again."""
        with self._lock:
            self._kept.pop(name, None)

    def _begun(self, name: Hashable, read: Callable[[], T]) -> _Read[T]:
        with self._lock:
            kept = self._kept.get(name)
            if kept is not None and kept.is_old(self._fresh):
                kept.future.cancel()  # no thread has begun it, perhaps
                kept = None
            if kept is None:
                kept = self._kept[name] = _Read(self._threads.submit(read))
            return kept
