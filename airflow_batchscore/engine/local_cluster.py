"""A Dask ``LocalCluster`` of worker processes inside an Airflow task.

A plain ``LocalCluster`` does not start there: worker processes import ``__main__`` (the ``airflow`` script, which runs
into a blocked database), and under Celery the task is a daemon that may have no children. This module makes it work,
and keeps other users of the machine out: anyone who can connect to a Dask scheduler runs code as its user.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.storage import credentials
from airflow_batchscore.data.storage.local_files import scratch_folder
from airflow_batchscore.engine.dashboard import PAGES
from airflow_batchscore.engine.dispatch import ALLOWED_WORKER_DEATHS

if TYPE_CHECKING:
    from distributed import Client
    from distributed.deploy import Cluster

log = logging.getLogger(__name__)

_START_TIMEOUT = "60s"
_CLOSE_SECONDS = 10
#: Dask always listens for HTTP; a free port on loopback keeps it off the network and out of other tasks' way.
_LOOPBACK = "127.0.0.1:0"
_SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@contextlib.contextmanager
def local_cluster(processes: int, threads: int, memory_limit: int, *, dashboard: bool = False) -> Iterator[Client]:
    """A client for a cluster of `processes` workers of `threads` threads, each restarted above `memory_limit` bytes.

    Args:
        dashboard: the scheduler serves one on loopback, to every user of this machine.
    """
    import dask
    import distributed

    with contextlib.ExitStack() as stack:
        stack.enter_context(
            dask.config.set(
                {
                    "distributed.comm.timeouts.connect": _START_TIMEOUT,
                    "distributed.scheduler.allowed-failures": ALLOWED_WORKER_DEATHS,
                    # Results are counts: nothing is worth spilling, and pausing would only hide an oversized block.
                    "distributed.worker.memory.target": False,
                    "distributed.worker.memory.spill": False,
                    "distributed.worker.memory.pause": False,
                    # The Nanny's default of 65536 for malloc's trim threshold costs a quarter of the work time.
                    "distributed.nanny.pre-spawn-environ": _SINGLE_THREADED,
                }
            )
        )
        stack.enter_context(_spawnable())
        stack.enter_context(quiet())
        stack.enter_context(private_folder(dashboard=dashboard))
        cluster = distributed.LocalCluster(
            n_workers=processes,
            threads_per_worker=threads,
            processes=True,
            memory_limit=memory_limit,
            host="127.0.0.1",
            silence_logs=logging.WARNING,
            **http_on_loopback(dashboard=dashboard),
            **private_channel(),
        )
        stack.callback(close, cluster, kill=True)
        client = distributed.Client(cluster, set_as_default=False)
        stack.callback(close, client, kill=True)
        if credentials.registered():
            from airflow_batchscore.engine.connections_plugin import ConnectionsPlugin

            client.register_plugin(ConnectionsPlugin(credentials.registered()))
        yield client


def private_channel() -> dict[str, object]:
    """Arguments for a ``LocalCluster`` that accepts only holders of a key created for it.

    Dask passes the key to worker processes through their pipes; it is in no argument, no environment, and in a file
    only while OpenSSL reads it, in a folder of mode 0700.
    """
    import distributed

    return {"security": distributed.Security.temporary(), "protocol": "tls://"}


def http_on_loopback(*, dashboard: bool = False) -> dict[str, object]:
    """Arguments for a ``LocalCluster`` on 127.0.0.1 whose HTTP servers, which know no users, have no dashboard.

    Args:
        dashboard: the scheduler's has one.
    """
    return {
        "dashboard_address": _LOOPBACK,
        # An address would give each worker a dashboard where Bokeh is installed; without one it is the worker's own.
        "worker_dashboard_address": None,
        "scheduler_kwargs": {"dashboard": dashboard},
    }


@contextlib.contextmanager
def private_folder(*, dashboard: bool = False) -> Iterator[None]:
    """Keep files of Dask servers started in the block in a folder of this user, and serve nothing over HTTP.

    With `dashboard`, serve what belongs to one.

    Dask puts its scratch folder on ``sys.path``; the one it shares in the temporary folder belongs to its first user.
    """
    import dask

    with (
        scratch_folder() as folder,
        dask.config.set(
            {
                "temporary-directory": str(folder),
                "distributed.scheduler.http.routes": list(PAGES) if dashboard else [],
                # Bokeh then accepts its own address alone: other sites' pages in a browser cannot read it.
                "distributed.scheduler.dashboard.bokeh-application.allow_websocket_origin": [],
                "distributed.worker.http.routes": [],
            }
        ),
    ):
        try:
            yield
        finally:  # Dask leaves some of its folders there; anyone could recreate a removed one
            sys.path[:] = [path for path in sys.path if not path.startswith(str(folder))]


@contextlib.contextmanager
def quiet(level: int = logging.WARNING) -> Iterator[None]:
    """Keep the cluster's messages below `level` out of the task's log."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _spawnable() -> Iterator[None]:
    """Let this process spawn workers for the duration of the block, whatever Airflow made of it."""
    import multiprocessing
    from multiprocessing.process import AuthenticationString  # type: ignore[attr-defined]

    # Spawn imports __main__ again, as does a Nanny when it restarts a worker: give it nothing to import.
    real_main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    # A Celery prefork child is marked daemonic and holds an authkey from billiard, which cannot be pickled.
    config: dict[str, Any] = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    saved = dict(config)
    config["daemon"] = False
    config["authkey"] = AuthenticationString(bytes(config["authkey"]))
    # Lets a recipe's module import airflow in a worker although the task's database address is blocked.
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


def close(closable: Client | Cluster, *, kill: bool = False) -> None:
    """Close with a time limit (``Cluster.__exit__`` has none and can hang after a SIGTERM).

    Args:
        kill: if that fails, kill the children of this process, which are the workers. A cluster of threads has none:
            children beside it are the user's.
    """
    import multiprocessing

    try:
        closable.close(timeout=_CLOSE_SECONDS)
    except BaseException as error:
        what = ": killing its workers" if kill else ""
        log.warning("the Dask cluster did not close in %d s (%s)%s", _CLOSE_SECONDS, error, what)
        if kill:
            for child in multiprocessing.active_children():
                child.kill()
        if not isinstance(error, Exception):
            raise
