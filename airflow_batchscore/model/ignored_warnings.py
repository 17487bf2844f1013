"""Ignores a warning for the duration of a block, also when several threads are in such a block.

``warnings.catch_warnings`` restores the filters that it saved: the first of two threads to leave its block would end
that of the other, and the second would restore the filters of the first for good. It also makes Python show again every
warning that it shows once, and blocks are scored thousands of times.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
#: Message -> number of blocks that ignore it now.
_ignoring: Counter[str] = Counter()


@contextmanager
def ignored(message: str) -> Iterator[None]:
    """Ignore warnings whose text begins with the regular expression `message`, in all threads of the process."""
    ours = ("ignore", re.compile(message, re.IGNORECASE), Warning, None, 0)
    with _lock:
        _ignoring[message] += 1
        if ours not in warnings.filters:  # a block of another thread may have added it, or other code removed it
            warnings.filters = [ours, *warnings.filters]
    try:
        yield
    finally:
        with _lock:
            _ignoring[message] -= 1
            if not _ignoring[message]:
                warnings.filters = [each for each in warnings.filters if each != ours]
