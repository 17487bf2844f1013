"""`LocalDask`: scores on the machine that runs the task, in a Dask ``LocalCluster`` inside it."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from operator import length_hint
from typing import TYPE_CHECKING, Literal, TypeVar

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.engine import machine
from airflow_batchscore.engine.base import Arguments, Capacity, Engine
from airflow_batchscore.engine.dashboard import announce_local, require_bokeh
from airflow_batchscore.engine.dispatch import run_on
from airflow_batchscore.engine.environments.environment import Environment
from airflow_batchscore.engine.in_process import Calls, Finished, run_here
from airflow_batchscore.engine.lanes import Lanes
from airflow_batchscore.engine.local_cluster import local_cluster
from airflow_batchscore.engine.probe import Probe
from airflow_batchscore.engine.rerun import call_again
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)
R = TypeVar("R")

#: Threads per core for blocks that wait for remote storage: some are read and written while others are predicted.
_THREADS_PER_CORE = 3
#: Blocks per thread that the scheduler knows of: a dispatch takes milliseconds, in which threads have work.
_IN_FLIGHT = 4
#: Python with pandas and scikit-learn, before loading any data.
_LIBRARIES_BYTES = 400 << 20
#: Python with NumPy: a limit below that was not meant.
_LEAST_MEMORY = 128 << 20
#: As Dask writes sizes; its own parser takes 0.1 s to import wherever a DAG is read.
_SIZE = re.compile(r"(\d+|\d*\.\d+)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


@dataclass(frozen=True)
class LocalDask(Engine):
    """Scores on the machine (or in the container) that runs the Airflow task.

    Args:
        workers: blocks scored at the same time. ``"auto"``: the cores this process may use (cgroup quota and affinity),
            divided by the number of tasks that may run beside it.
        processes: False scores on a cluster of threads in the task's process, which starts at once, shares the model
            and listens on no port; True on one of worker processes, for pure Python recipes. ``"auto"`` starts with
            threads, measures the first blocks, and moves to processes if that pays off; the log says why.
        memory_limit: bytes (or ``"2GiB"``) that this task may use; determines how many rows are in memory at once, and
            a worker process that exceeds its share is restarted; with its libraries alone, one takes about 400 MiB.
            At least 128 MiB. ``"auto"``: the memory of the machine or cgroup, divided like the cores.
        dashboard: True serves Dask's dashboard on 127.0.0.1 and a free port of the worker's machine while the cluster
            runs. The task's log says where, and how to reach it through SSH; a scoring task has the link *Dask
            dashboard*. It takes no orders, but asks nobody who they are: everyone with a login on that machine can see
            names of functions, stacks, error messages and Dask's log. Needs ``airflow-batchscore[dashboard]``.
        python: path of another interpreter, ``"/envs/torch/bin/python"``, for models whose libraries cannot live with
            Airflow's: the task scores in a process of it, and loads the model nowhere else. It needs the libraries of
            the model and what workers need. A relative path begins in the folder of the DAG's file. Scoring only.
        environment: the same, in an environment that uv makes once on each machine: the name of a requirements file
            beside the DAG's, or a list of its lines, ``["scikit-learn==1.3.2", "pandas<3"]``. Needs uv:
            ``airflow-batchscore[environments]``.
    """

    workers: int | Literal["auto"] = "auto"
    processes: bool | Literal["auto"] = "auto"
    memory_limit: int | str = "auto"
    dashboard: bool = False
    python: str | None = None
    environment: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.environment, list):
            object.__setattr__(self, "environment", tuple(self.environment))  # to stay hashable
        _ = self.elsewhere  # refuses values that mean nothing
        if self.workers != "auto" and (type(self.workers) is not int or self.workers < 1):
            raise InputError(f"LocalDask(workers={self.workers!r}): give a number from 1, or 'auto'")
        if self.processes not in (True, False, "auto"):
            raise InputError(f"LocalDask(processes={self.processes!r}): give True, False or 'auto'")
        limit = self._memory_bytes
        if limit is not None and limit < _LEAST_MEMORY:
            raise InputError(f"LocalDask(memory_limit={self.memory_limit!r}): give at least 128 MiB, or 'auto'")
        if self.dashboard not in (True, False):
            raise InputError(f"LocalDask(dashboard={self.dashboard!r}): give True or False")

    @property
    def _memory_bytes(self) -> int | None:
        """`memory_limit` as a number; None if it is automatic."""
        given = self.memory_limit
        if given == "auto" or type(given) is int:
            return None if given == "auto" else int(given)
        size = _SIZE.fullmatch(given.strip()) if isinstance(given, str) else None
        if size is None:
            raise InputError(f"LocalDask(memory_limit={given!r}): give bytes, a text such as '2GiB', or 'auto'")
        number, unit, binary = size.groups()
        return int(float(number) * (1024 if binary else 1000) ** " kmgt".index(unit.lower() or " "))

    @property
    def elsewhere(self) -> Environment | None:
        return Environment.of("LocalDask", self.python, self.environment)

    @property
    def is_local(self) -> bool:
        return True

    @property
    def has_dashboard(self) -> bool:
        return self.dashboard

    def describe(self) -> JsonObject:
        return {"engine": "LocalDask", **asdict(self)}

    def capacity(self, slots: int = 1) -> Capacity:
        workers, memory = self._share(slots)
        one, many = ("process", "processes") if self.processes is True else ("thread", "threads")
        where = f" of {self.elsewhere.name}" if self.elsewhere else ""
        return Capacity(f"LocalDask, {workers} {one if workers == 1 else many}{where}", workers, memory)

    def _share(self, slots: int) -> tuple[int, int]:
        """Workers, and bytes that they may use together."""
        workers = max(1, machine.cores() // slots) if self.workers == "auto" else self.workers
        return workers, self._memory_bytes or machine.memory() // slots

    @contextlib.contextmanager
    def session(self, slots: int = 1) -> Iterator[_LocalSession]:
        session = _LocalSession(self, slots)
        try:
            yield session
        finally:
            session.close()

    @contextlib.contextmanager
    def client(self, slots: int = 1) -> Iterator[Client]:
        """A Dask cluster of worker processes for distributed training, for the duration of the block."""
        session = _LocalSession(self, slots)
        try:
            yield session.cluster(1)
        finally:
            session.close()


class _LocalSession:
    """Starts a cluster when it is first needed: an already committed partition needs none."""

    def __init__(self, engine: LocalDask, slots: int) -> None:
        self._processes = engine.processes
        self._workers, self._memory = engine._share(slots)
        self._slots = slots
        self._dashboard = engine.dashboard
        if self._dashboard:
            require_bokeh()
        self._resources = contextlib.ExitStack()
        self._in_threads = self._resources.enter_context(contextlib.ExitStack())
        self._probe: Probe | None = None
        self._threads: Client | None = None
        self._client: Client | None = None

    @property
    def block_memory(self) -> int:
        libraries = _LIBRARIES_BYTES * (1 if self._processes is False else self._workers)
        return max(self._memory - libraries, self._memory // 4) // self._workers

    def run(self, function: Callable[..., R], arguments: Arguments, *, remote: bool = False) -> Iterator[R]:
        threads = _THREADS_PER_CORE if remote else 1
        left = iter(arguments)
        if self._client is None and self._processes is not True:
            yield from self._run_in_threads(function, left, self._workers * threads, remote=remote)
        following = next(left, None)
        if following is not None:  # else no process is needed
            rest, in_flight = chain([following], left), _IN_FLIGHT * self._workers * threads
            yield from run_on(self.cluster(threads), partial(call_again, function), rest, lambda: in_flight)

    def close(self) -> None:
        self._resources.close()
        self._threads = self._client = None

    def _run_in_threads(
        self, function: Callable[..., R], arguments: Iterator[tuple[object, ...]], threads: int, *, remote: bool
    ) -> Iterator[R]:
        """`run` in threads, as long as no reason to move to processes shows up."""
        client, probe = self._thread_cluster(threads)
        calls = Calls(function, arguments)
        lanes = Lanes(_IN_FLIGHT * threads)
        results = _made_here(client, calls, lanes)
        with contextlib.closing(calls), contextlib.closing(results):
            for finished in results:
                calls.took(finished.timing)
                if not remote:  # those wait for the store, side by side
                    lanes.took(finished.timing)
                probe.add(finished.timing)
                reason = probe.verdict(length_hint(arguments))
                if reason is not None:
                    log.info("moving from threads to worker processes: %s", reason)
                    calls.stop()
                yield finished.get()

    def _thread_cluster(self, threads: int) -> tuple[Client, Probe]:
        if self._threads is None or self._probe is None:
            from airflow_batchscore.engine.thread_cluster import thread_cluster

            self._probe = Probe(self._workers if self._processes == "auto" else 1, threads)
            self._resources.callback(self._probe.stop)
            self._threads = self._in_threads.enter_context(thread_cluster(threads, dashboard=self._dashboard))
            many = "thread" if threads == 1 else "threads"
            log.info("Dask LocalCluster: %d %s (task slots on this machine: %d)", threads, many, self._slots)
            self._announce(self._threads)
        return self._threads, self._probe

    def cluster(self, threads: int) -> Client:
        """The worker processes, started on the first call in place of the threads."""
        if self._client is None:
            self._in_threads.close()
            limit = self._memory // self._workers
            started = local_cluster(self._workers, threads, limit, dashboard=self._dashboard)
            self._client = self._resources.enter_context(started)
            log.info("Dask LocalCluster: %d processes (task slots on this machine: %d)", self._workers, self._slots)
            self._announce(self._client)
        return self._client

    def _announce(self, client: Client) -> None:
        if self._dashboard:
            announce_local(client)


def _made_here(client: Client, calls: Calls[R], lanes: Lanes) -> Generator[Finished[R]]:
    """What became of each call, those that a dispatch had no time for included."""
    while True:
        with contextlib.closing(run_on(client, run_here, calls, lanes.now)) as batches:
            for batch in batches:
                calls.put_back(batch.left)
                yield from batch.finished
        if not calls.were_put_back:
            return
