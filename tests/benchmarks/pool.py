"""A bare thread pool in the place of LocalDask: what a scoring task costs without a Dask cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any

from airflow_batchscore.engine import machine
from airflow_batchscore.engine.base import Engine


class ThreadPool(Engine):
    """As many threads as cores, one more block submitted than there are threads, nothing else."""

    @contextlib.contextmanager
    def session(self, slots: int = 1) -> Iterator[Any]:
        """The threads, for the duration of the block."""
        threads = max(1, machine.cores() // slots)
        with ThreadPoolExecutor(threads) as pool:
            yield _Session(pool, threads)

    def describe(self) -> dict[str, Any]:
        """For the manifest."""
        return {"engine": "ThreadPool"}


class _Session:
    block_memory = None

    def __init__(self, pool: ThreadPoolExecutor, threads: int) -> None:
        self._pool, self._threads = pool, threads

    def run(self, function: Callable[..., Any], arguments: Any, *, remote: bool = False) -> Iterator[Any]:
        left = iter(arguments)
        running: set[Future[Any]] = {self._pool.submit(function, *each) for each in islice(left, self._threads + 1)}
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                running |= {self._pool.submit(function, *each) for each in islice(left, 1)}
                yield future.result()
