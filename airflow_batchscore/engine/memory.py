"""Memory that this process and its children hold, and the most that they did while something ran."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_LOOK_SECONDS = 0.02


def held() -> int:
    """Bytes that this process and its children hold. Looks at every process of the machine."""
    import psutil

    own, size = psutil.Process(), 0
    for process in [own, *own.children(recursive=True)]:
        with suppress(psutil.Error):  # a child has ended meanwhile
            size += process.memory_info().rss
    return size


def most_held() -> int:
    """The most bytes that this process ever held, without its children."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class MemoryWatch:
    """Finds the most memory that was held while `watched`."""

    def __init__(self) -> None:
        self._base = self._most = self._children = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look many times a second, until the block ends."""
        import psutil

        own, ended = psutil.Process(), threading.Event()

        def look() -> None:
            while not ended.wait(_LOOK_SECONDS):
                self._most = max(self._most, own.memory_info().rss + self._children)

        thread = threading.Thread(target=look, name="batchscore-memory", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def look(self) -> None:
        """Take note of the children that are there now: looking for them takes too long to do it often."""
        import psutil

        size = held()
        self._children = max(size - psutil.Process().memory_info().rss, 0)
        self._most = max(self._most, size)

    def begin(self) -> None:
        """From now on, what is held beyond the present is held for the work."""
        self.look()
        self._base = self._most

    def at(self, share: float) -> int:
        """Bytes that work of which this share was done would hold at most."""
        return round(self._base + (self._most - self._base) / share)
