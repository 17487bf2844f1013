"""Values that are kept for whoever asks for them again, from any thread."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by a name that says all they depend on. The least recently used go first.

    Args:
        most: weight of all that are kept; the newest is, whatever its weight.
        weight: of one.
    """

    def __init__(self, most: int, weight: Callable[[T], int] = lambda _: 1) -> None:
        self._most, self._weight = most, weight
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._total = 0
        self._lock = threading.Lock()

    def get(self, name: Hashable, make: Callable[[], T]) -> T:
        """The value; made if it is not there. Threads that ask at once may each make it."""
        with self._lock:
            if name in self._values:
                self._values.move_to_end(name)
                return self._values[name]
        made = make()  # which may take long, or read others
        with self._lock:
            if name not in self._values:
                self._values[name] = made
                self._total += self._weight(made)
            while self._total > self._most and len(self._values) > 1:
                _, gone = self._values.popitem(last=False)
                self._total -= self._weight(gone)
        return made

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._values.clear()
            self._total = 0
