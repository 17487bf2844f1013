"""A Dask ``LocalCluster`` of threads in the task's own process. It starts no process, and opens no socket but that of
its dashboard, if it has one.

Imported only when it is needed: it imports Dask.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import dask
from distributed import Client, LocalCluster, Scheduler, Worker

from airflow_batchscore.engine.local_cluster import close, http_on_loopback, private_folder, quiet

#: How long running blocks may hold up the end of a task.
_CLOSE_SECONDS = 3.0
_SETTINGS = {
    # The caller limits what is in flight; a thread that is free must not wait for the scheduler.
    "distributed.scheduler.worker-saturation": "inf",
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    # Samples the stacks of all threads every 10 ms.
    "distributed.worker.profile.enabled": False,
    # A block that holds Python's lock also holds up Dask's loop, which is no reason to warn, nor to wake the loop a
    # hundred times per second to see how late it is: that took 2 to 5 % of the work of two busy threads.
    "distributed.admin.tick.limit": "1h",
    "distributed.admin.tick.interval": "1s",
}


class _Unheard:
    """A server that is not reachable by HTTP."""

    def start_http_server(self, *args: object, **kwargs: object) -> None:
        """Start none."""


class _Scheduler(_Unheard, Scheduler):  # type: ignore[misc]  # distributed has no types
    pass


class _Worker(_Unheard, Worker):  # type: ignore[misc]
    async def close(self, timeout: float = _CLOSE_SECONDS, **options: object) -> str | None:
        return await super().close(timeout=min(timeout, _CLOSE_SECONDS), **options)  # type: ignore[no-any-return]


class _SilentCluster(LocalCluster):  # type: ignore[misc]
    async def _start(self) -> None:
        self.scheduler_spec["cls"] = _Scheduler
        await super()._start()


@contextlib.contextmanager
def thread_cluster(threads: int, *, dashboard: bool = False) -> Iterator[Client]:
    """A client for a cluster of one worker with some threads, all in this process.

    Args:
        dashboard: the scheduler serves one on loopback, to every user of this machine.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(_SETTINGS))
        stack.enter_context(quiet(logging.ERROR))  # it warns of calls that are cancelled after an error
        stack.enter_context(private_folder(dashboard=dashboard))
        cluster = (LocalCluster if dashboard else _SilentCluster)(
            n_workers=1,
            threads_per_worker=threads,
            processes=False,
            memory_limit=0,  # not watched: the rows in memory are bounded by the size of blocks
            worker_class=_Worker,
            silence_logs=False,
            **http_on_loopback(dashboard=dashboard),
        )
        stack.callback(close, cluster)
        client = Client(cluster, set_as_default=False)
        stack.callback(close, client)
        yield client
