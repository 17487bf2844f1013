"""A Dask ``LocalCluster`` of worker processes inside an Airflow task.

There a plain ``LocalCluster`` does not start: worker processes import ``__main__`` (the ``airflow`` script, which meets
a blocked database), and under Celery the task is a daemon that may have no children. Here it is made to work, and to
be of no use to another user of the machine: who can connect to a Dask scheduler runs code as its user.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data import s3
from airflow_batchscore.engine.dispatch import ALLOWED_WORKER_DEATHS

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

_START_TIMEOUT = "60s"
_CLOSE_SECONDS = 10
#: Dask always listens for HTTP; on loopback and a free port it meets neither the network nor another task.
_LOOPBACK = "127.0.0.1:0"
_SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@contextlib.contextmanager
def local_cluster(processes: int, threads: int, memory_limit: int) -> Iterator[Client]:
    """A client of a cluster of `processes` workers of `threads` threads, restarted above `memory_limit` bytes each."""
    import dask
    import distributed

    with contextlib.ExitStack() as stack:
        stack.enter_context(
            dask.config.set(
                {
                    "distributed.comm.timeouts.connect": _START_TIMEOUT,
                    "distributed.scheduler.allowed-failures": ALLOWED_WORKER_DEATHS,
                    # Results are counts: nothing is worth spilling, and a pause would only hide a block too big.
                    "distributed.worker.memory.target": False,
                    "distributed.worker.memory.spill": False,
                    "distributed.worker.memory.pause": False,
                    # Nanny's default of 65536 for malloc's trim threshold costs a quarter of the work time.
                    "distributed.nanny.pre-spawn-environ": _SINGLE_THREADED,
                }
            )
        )
        stack.enter_context(_spawnable())
        stack.enter_context(_quiet())
        stack.enter_context(private_folder())
        cluster = distributed.LocalCluster(
            n_workers=processes,
            threads_per_worker=threads,
            processes=True,
            memory_limit=memory_limit,
            host="127.0.0.1",
            silence_logs=logging.WARNING,
            **without_http(),
            **private_channel(),
        )
        stack.callback(_close, cluster)
        client = distributed.Client(cluster, set_as_default=False)
        stack.callback(_close, client)
        if s3.registered():
            from airflow_batchscore.engine.connections_plugin import ConnectionsPlugin

            client.register_plugin(ConnectionsPlugin(s3.registered()))
        yield client


def private_channel() -> dict[str, Any]:
    """Arguments of a ``LocalCluster`` that only holders of a key made for it can talk to.

    Dask hands the key to worker processes through their pipes; it is in no argument, no environment, and in a file only
    while OpenSSL reads it, in a folder of mode 0700.
    """
    import distributed

    return {"security": distributed.Security.temporary(), "protocol": "tls://"}


def without_http() -> dict[str, Any]:
    """Arguments of a ``LocalCluster`` whose HTTP servers, which know no users, have no dashboard."""
    return {
        "dashboard_address": _LOOPBACK,
        "worker_dashboard_address": _LOOPBACK,
        "scheduler_kwargs": {"dashboard": False},
    }


@contextlib.contextmanager
def private_folder() -> Iterator[None]:
    """What Dask's servers started in the block write lies in a folder of this user, and their HTTP servers say nothing.

    Dask puts its scratch folder on ``sys.path``; the one it shares in the temporary folder is of whoever made it first.
    """
    import dask

    with (
        tempfile.TemporaryDirectory(prefix="batchscore-dask-", ignore_cleanup_errors=True) as folder,
        dask.config.set(
            {
                "temporary-directory": folder,
                "distributed.scheduler.http.routes": [],
                "distributed.worker.http.routes": [],
            }
        ),
    ):
        try:
            yield
        finally:  # Dask leaves some of its folders there; of a folder that is gone, anyone could make another
            sys.path[:] = [path for path in sys.path if not path.startswith(folder)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the cluster's comings and goings out of the task's log; its warnings stay."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _spawnable() -> Iterator[None]:
    """Let this process spawn workers for the length of the block, whatever Airflow made of it."""
    import multiprocessing
    from multiprocessing.process import AuthenticationString  # type: ignore[attr-defined]

    # Spawn imports __main__ again, and a Nanny does so whenever it restarts a worker: give it nothing to import.
    real_main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    # A Celery prefork child is marked daemonic and holds an authkey of billiard's, which does not pickle.
    config: dict[str, Any] = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    saved = dict(config)
    config["daemon"] = False
    config["authkey"] = AuthenticationString(bytes(config["authkey"]))
    # Lets a recipe's module import airflow in a worker although the task's database address is a blocked one.
    saved_mode = os.environ.get("PYTHON_OPERATORS_VIRTUAL_ENV_MODE")
    os.environ["PYTHON_OPERATORS_VIRTUAL_ENV_MODE"] = "1"
    try:
        yield
    finally:
        sys.modules["__main__"] = real_main
        config.clear()
        config.update(saved)
        if saved_mode is None:
            del os.environ["PYTHON_OPERATORS_VIRTUAL_ENV_MODE"]
        else:
            os.environ["PYTHON_OPERATORS_VIRTUAL_ENV_MODE"] = saved_mode


def _close(closable: Any) -> None:
    """Close with a time limit (``Cluster.__exit__`` has none and can hang after a SIGTERM), then kill what is left."""
    import multiprocessing

    try:
        closable.close(timeout=_CLOSE_SECONDS)
    except BaseException as error:
        log.warning("the Dask cluster did not close in %d s (%s): killing its workers", _CLOSE_SECONDS, error)
        for child in multiprocessing.active_children():
            child.kill()
        if not isinstance(error, Exception):
            raise
