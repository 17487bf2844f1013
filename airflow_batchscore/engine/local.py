"""`LocalDask`: a Dask ``LocalCluster`` inside the task that uses it.

Inside an Airflow task a plain ``LocalCluster`` does not start: worker processes import ``__main__`` (the ``airflow``
script, which meets a blocked database), and under Celery the task is a daemon that may have no children. Threads
in the task's own process avoid all that and win wherever predict releases the GIL; processes are made to work too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from airflow_batchscore.data import storage
from airflow_batchscore.engine.dispatch import ALLOWED_WORKER_DEATHS, run_on
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)
R = TypeVar("R")

_START_TIMEOUT = "60s"
_CLOSE_SECONDS = 10
#: Dask always listens for its metrics; on loopback and a free port it meets neither the network nor another task.
_PRIVATE = "127.0.0.1:0"
_SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class LocalDask:
    """Scores on the machine (or in the container) that runs the Airflow task.

    Args:
        workers: blocks scored at the same time. ``"auto"``: the cores this process may use (cgroup quota and affinity),
            divided by the tasks that may run beside it.
        processes: False scores in threads of the task's process, which start at once and share the model; True in
            worker processes, for recipes that are pure Python.
        memory_limit: for processes, bytes (or ``"2GiB"``) above which a worker is restarted; ``"auto"`` divides the
            memory of the machine or cgroup like the cores.
    """

    workers: int | Literal["auto"] = "auto"
    processes: bool = False
    memory_limit: int | str = "auto"

    def __post_init__(self) -> None:
        if self.workers != "auto" and (not isinstance(self.workers, int) or self.workers < 1):
            raise InputError(f"LocalDask(workers={self.workers!r}): give a number from 1, or 'auto'")

    def describe(self) -> dict[str, Any]:
        return {"engine": "LocalDask", **asdict(self)}

    @contextlib.contextmanager
    def session(self, slots: int = 1) -> Iterator[_LocalSession]:
        session = _LocalSession(self, slots)
        try:
            yield session
        finally:
            session.close()


class _LocalSession:
    """Starts the cluster when it is first needed: a partition that is committed already needs none."""

    def __init__(self, engine: LocalDask, slots: int) -> None:
        self._engine = engine
        self._slots = slots
        self._resources = contextlib.ExitStack()
        self._client: Client | None = None
        self._workers = 0

    def run(self, function: Callable[..., R], arguments: Sequence[tuple[Any, ...]]) -> Iterator[R]:
        if self._client is None:
            self._start()
        assert self._client is not None
        task = _SingleThreaded(function)
        yield from run_on(self._client, task, arguments, in_flight=2 * self._workers)

    def close(self) -> None:
        self._resources.close()
        self._client = None

    def _start(self) -> None:
        import dask
        import distributed
        import threadpoolctl
        from dask.system import cpu_count
        from dask.utils import parse_bytes
        from distributed.system import MEMORY_LIMIT

        engine = self._engine
        self._workers = max(1, cpu_count() // self._slots) if engine.workers == "auto" else engine.workers
        share = MEMORY_LIMIT // self._slots // self._workers
        limit = share if engine.memory_limit == "auto" else parse_bytes(engine.memory_limit)
        stack = self._resources
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
        if engine.processes:
            stack.enter_context(_spawnable())
        else:
            stack.enter_context(threadpoolctl.threadpool_limits(1, user_api="blas"))
        stack.enter_context(_quiet())
        _die_with_supervisor()
        cluster = distributed.LocalCluster(
            n_workers=self._workers if engine.processes else 1,
            threads_per_worker=1 if engine.processes else self._workers,
            processes=engine.processes,
            memory_limit=limit if engine.processes else 0,
            dashboard_address=_PRIVATE,
            worker_dashboard_address=_PRIVATE,
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.WARNING,
            **({"host": "127.0.0.1"} if engine.processes else {}),
        )
        stack.callback(_close, cluster)
        self._client = distributed.Client(cluster, set_as_default=False)
        stack.callback(_close, self._client)
        if engine.processes and storage.registered_s3():
            from airflow_batchscore.engine.connections_plugin import ConnectionsPlugin

            self._client.register_plugin(ConnectionsPlugin(storage.registered_s3()))
        kind = "processes" if engine.processes else "threads"
        log.info("Dask LocalCluster: %d %s (task slots on this machine: %d)", self._workers, kind, self._slots)


class _SingleThreaded:
    """The function with BLAS and OpenMP held to one thread, because the workers are already one a core."""

    _thread = threading.local()

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        if not getattr(self._thread, "limited", False):
            import threadpoolctl

            # OpenMP's limit belongs to the thread that sets it, which ends with the cluster.
            threadpoolctl.threadpool_limits(1)
            self._thread.limited = True
        return self.function(*arguments)

    def __reduce__(self) -> Any:
        return _SingleThreaded, (self.function,)


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


def _die_with_supervisor() -> None:
    """Linux: end with the Airflow supervisor, also when it is killed without a chance to tell (prctl PDEATHSIG).

    Dask's worker processes end by themselves when the task's process does.
    """
    supervised = os.getpgid(0) == os.getpid() and os.getppid() > 1
    if sys.platform == "linux" and supervised and "airflow.sdk.execution_time.task_runner" in sys.modules:
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
