"""Reads and encodes what is published ahead of the one thread that writes it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Calls in work or whose result is in use, and the bytes that they are about, unless these are two calls.
_MOST_CALLS = 4
_MOST_BYTES = 64 << 20


def in_order(function: Callable[[T], R], items: Iterable[T], size: Callable[[T], int]) -> Generator[R]:
    """Yield ``function(item)`` for each item, in order. Threads call it for the next few while one result is used.

    Args:
        function: releases Python's lock while it works.
        size: bytes that an item is about. In memory at once are at most four items, and of larger ones those that have
            64 MiB together, or two.
    """
    pool = ThreadPoolExecutor(_MOST_CALLS, thread_name_prefix="batchscore-publish")
    ahead: deque[tuple[Future[R], int]] = deque()
    held = 0
    try:
        for item in items:
            while len(ahead) == _MOST_CALLS or (len(ahead) > 1 and held + size(item) > _MOST_BYTES):
                future, bytes_held = ahead.popleft()
                yield future.result()
                del future
                held -= bytes_held
            ahead.append((pool.submit(function, item), size(item)))
            held += size(item)
        while ahead:
            yield ahead.popleft()[0].result()
    finally:
        pool.shutdown(cancel_futures=True)
