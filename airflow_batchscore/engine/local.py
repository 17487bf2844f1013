"""`LocalDask`: the machine that runs the task, in threads of the task or in a Dask ``LocalCluster`` inside it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from airflow_batchscore.engine import machine
from airflow_batchscore.engine.cluster import local_cluster
from airflow_batchscore.engine.dispatch import run_on
from airflow_batchscore.engine.threads import Pool, Probe, run_in_threads
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)
R = TypeVar("R")

#: Threads a core for blocks that wait for remote storage: reading and writing some while others are predicted.
_THREADS_A_CORE = 3
#: Python with pandas and scikit-learn, before it holds any data.
_LIBRARIES_BYTES = 400 << 20


@dataclass(frozen=True)
class LocalDask:
    """Scores on the machine (or in the container) that runs the Airflow task.

    Args:
        workers: blocks scored at the same time. ``"auto"``: the cores this process may use (cgroup quota and affinity),
            divided by the tasks that may run beside it.
        processes: False scores in threads of the task's process, which start at once and share the model; True on
            a Dask ``LocalCluster`` of worker processes, for recipes that are pure Python. ``"auto"`` starts with
            threads, measures the first blocks, and moves to processes when that pays; the log says why.
        memory_limit: bytes (or ``"2GiB"``) that this task may use; sets how many rows are in memory at once, and
            above its share of it a worker process is restarted. ``"auto"``: the memory of the machine or cgroup,
            divided like the cores.
    """

    workers: int | Literal["auto"] = "auto"
    processes: bool | Literal["auto"] = "auto"
    memory_limit: int | str = "auto"

    def __post_init__(self) -> None:
        if self.workers != "auto" and (not isinstance(self.workers, int) or self.workers < 1):
            raise InputError(f"LocalDask(workers={self.workers!r}): give a number from 1, or 'auto'")
        if self.processes not in (True, False, "auto"):
            raise InputError(f"LocalDask(processes={self.processes!r}): give True, False or 'auto'")

    def describe(self) -> dict[str, Any]:
        return {"engine": "LocalDask", **asdict(self)}

    @contextlib.contextmanager
    def session(self, slots: int = 1) -> Iterator[_LocalSession]:
        session = _LocalSession(self, slots)
        try:
            yield session
        finally:
            session.close()

    @contextlib.contextmanager
    def client(self, slots: int = 1) -> Iterator[Client]:
        """A Dask cluster of worker processes for what training spreads, for the length of the block."""
        session = _LocalSession(self, slots)
        try:
            yield session.cluster(1)
        finally:
            session.close()


class _LocalSession:
    """Starts workers when they are first needed: a partition that is committed already needs none."""

    def __init__(self, engine: LocalDask, slots: int) -> None:
        self._processes = engine.processes
        self._workers = max(1, machine.cores() // slots) if engine.workers == "auto" else engine.workers
        self._memory = _parse_bytes(engine.memory_limit, machine.memory() // slots)
        self._slots = slots
        self._probe: Probe | None = None
        self._pool: Pool | None = None
        self._resources = contextlib.ExitStack()
        self._client: Client | None = None

    @property
    def block_memory(self) -> int:
        libraries = _LIBRARIES_BYTES * (1 if self._processes is False else self._workers)
        return max(self._memory - libraries, self._memory // 4) // self._workers

    def run(
        self, function: Callable[..., R], arguments: Sequence[tuple[Any, ...]], *, remote: bool = False
    ) -> Iterator[R]:
        threads = _THREADS_A_CORE if remote else 1
        left = iter(arguments)
        if self._client is None and self._processes is not True:
            yield from self._run_in_threads(function, left, len(arguments), threads)
        rest = list(left)
        if rest:
            yield from run_on(self.cluster(threads), function, rest, in_flight=2 * self._workers * threads)

    def close(self) -> None:
        self._resources.close()
        self._client = None

    def _run_in_threads(
        self, function: Callable[..., R], arguments: Iterator[tuple[Any, ...]], blocks: int, threads: int
    ) -> Iterator[R]:
        count = self._workers * threads
        if self._probe is None or self._pool is None:
            self._probe = Probe(self._workers if self._processes == "auto" else 1, count)
            self._resources.callback(self._probe.stop)
            self._pool = Pool(count)
            self._resources.callback(self._pool.close)
            log.info("scoring in %d threads (task slots on this machine: %d)", count, self._slots)
        probe, done = self._probe, 0

        def after_each(timing: Any) -> bool:
            nonlocal done
            done += 1
            probe.add(timing)
            reason = probe.verdict(blocks - done - count)
            if reason is not None:
                log.info("moving from threads to worker processes: %s", reason)
            return reason is not None

        # One more than there are threads, so that none waits for the caller to come back.
        yield from run_in_threads(self._pool, function, arguments, count + 1, after_each=after_each)

    def cluster(self, threads: int) -> Client:
        """The worker processes, started at the first call."""
        if self._client is None:
            limit = self._memory // self._workers
            self._client = self._resources.enter_context(local_cluster(self._workers, threads, limit))
            log.info("Dask LocalCluster: %d processes (task slots on this machine: %d)", self._workers, self._slots)
        return self._client


def _parse_bytes(value: int | str, automatic: int) -> int:
    if isinstance(value, int) or value == "auto":
        return automatic if value == "auto" else int(value)
    from dask.utils import parse_bytes

    try:
        return int(parse_bytes(value))
    except ValueError as error:
        raise InputError(f"LocalDask(memory_limit={value!r}): give bytes, a text such as '2GiB', or 'auto'") from error
