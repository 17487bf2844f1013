"""What has been worked out for pages, so that one that is opened again costs little."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

K = TypeVar("K")
V = TypeVar("V")


class Cache(Generic[K, V]):
    """The values that were used last, in this process. Any thread may ask.

    Args:
        most: that are kept.
    """

    def __init__(self, most: int) -> None:
        self._values: LRUCache[K, V] = LRUCache(most)
        self._lock = Lock()

    def recall(self, names: Iterable[K]) -> dict[K, V]:
        """The values that are still known."""
        with self._lock:
            return {name: self._values[name] for name in names if name in self._values}

    def keep(self, values: Mapping[K, V]) -> None:
        """Remember these."""
        with self._lock:
            self._values.update(values)
