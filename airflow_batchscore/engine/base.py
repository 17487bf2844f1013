"""What an engine is: it runs a function over small arguments somewhere and yields results as they finish."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias, TypeVar

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

    from airflow_batchscore.engine.environments.environment import Environment

R = TypeVar("R")
#: The arguments of each call. May be prepared as they are taken; ``operator.length_hint`` of an iterator says how many
#: are left, more or less.
Arguments: TypeAlias = Iterable[tuple[object, ...]]


class WorkerLostError(RuntimeError):
    """A worker died holding a task, more often than tasks are retried. Retrying the Airflow task may fix it."""

    @classmethod
    def of(cls, argument: tuple[object, ...], worker: str, advice: str, *, times: int = 1, cause: str = "") -> Self:
        """The error for the person on call.

        Args:
            argument: what the function was called with; the last element is the block, or another piece of work, whose
                `smaller_work` says what needs less memory; or a tuple of several that are done together.
            worker: what died: "the worker".
            advice: what would give it more memory: "Give it more memory".
            times: how often workers died on this block.
            cause: what else is known of the reason.
        """
        (work, *_) = argument[-1] if isinstance(argument[-1], tuple) and argument[-1] else argument[-1:]
        block = getattr(work, "name", repr(work))
        smaller = getattr(work, "smaller_work", "smaller blocks (block_rows)")
        often, why = f" {times} times" if times > 1 else "", f" ({cause})" if cause else ""
        return cls(
            f"{block}: {worker} died{often} while it ran this, most likely for lack of memory{why}. {advice}, or "
            f"{smaller}"
        )


class Session(Protocol):
    """Workers kept for several calls of `run`; they start on the first call."""

    @property
    def block_memory(self) -> int | None:
        """Bytes that one worker may use for the block it scores; None if unknown."""
        ...

    def run(self, function: Callable[..., R], arguments: Arguments, *, remote: bool = False) -> Iterator[R]:
        """Yield ``function(*a)`` for each `a`, in any order. The first exception is raised and ends the iteration.

        Results are yielded while arguments are still taken, unless the engine needs all of them first.

        The function and its arguments are pickled if workers are other processes; keep them small. An engine that may
        run a call again after its worker died makes it with `rerun.call_again`.

        Args:
            remote: the function waits for remote storage, so run more calls at once than there are cores.

        Raises:
            WorkerLostError: a worker died, and the engine gave up. The Airflow task is retried.
            EngineError: the workers cannot do this work. It is not retried.
        """
        ...


@dataclass(frozen=True)
class Capacity:
    """What an engine scores with, for people.

    Attributes:
        text: such as ``"LocalDask, 2 threads"``, without secrets.
        workers: threads or processes that score; 0 if that is known only once they have started.
        memory: bytes that they may use together; None if the engine does not limit them.
    """

    text: str
    workers: int = 0
    memory: int | None = None


class Engine(ABC):
    """Where blocks are scored. Subclasses define `session` and `describe`; the rest has defaults."""

    @property
    def conn_id(self) -> str | None:
        """Name of the Airflow connection that holds the engine's address; None if it needs none."""
        return None

    @property
    def is_local(self) -> bool:
        """Whether all workers are this task's own threads and processes, which may hold its signing key."""
        return False

    @property
    def elsewhere(self) -> Environment | None:
        """The Python that a scoring task makes its sessions in; None for the task's own."""
        return None

    @property
    def has_dashboard(self) -> bool:
        """Whether sessions may call `dashboard.announce`, so that the scoring task needs a link to it."""
        return False

    @abstractmethod
    def session(self, slots: int = 1) -> AbstractContextManager[Session]:
        """Provide workers for the duration of a ``with`` block.

        Args:
            slots: tasks that may run on this machine at the same time; an engine that uses the machine itself takes its
                share.
        """

    @abstractmethod
    def describe(self) -> JsonObject:
        """For the manifest: kind and settings, without secrets."""

    def capacity(self, slots: int = 1) -> Capacity:
        """What a session would score with, without starting it.

        Args:
            slots: see `session`.
        """
        return Capacity(type(self).__name__)

    def connected(self, host: str, port: int | None, extra: Mapping[str, object]) -> Self:
        """The engine with the address of its Airflow connection in place of `conn_id`. Runs in the task.

        Args:
            extra: the connection's further settings.
        """
        raise InputError(f"{self!r} takes no address from a connection: leave out conn_id={self.conn_id!r}")

    def client(self, slots: int = 1) -> AbstractContextManager[Client]:
        """Provide a client of a Dask cluster, for training to distribute work with.

        Args:
            slots: see `session`.

        Raises:
            InputError: the engine cannot train.
        """
        raise InputError(f"engine={self!r}: training spreads over Dask; give LocalDask() or DaskCluster(...)")
