"""The protocol of engines: run a function over small arguments somewhere, give results as they finish."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

R = TypeVar("R")


class WorkerLostError(RuntimeError):
    """A worker died while it held a task, more often than is tried again. A retry of the task may fix it."""


class Session(Protocol):
    """Workers that are kept for several calls of `run`; they start at the first one."""

    @property
    def block_memory(self) -> int | None:
        """Bytes that one worker may use for the block it scores; None when that is not known."""
        ...

    def run(
        self, function: Callable[..., R], arguments: Sequence[tuple[Any, ...]], *, remote: bool = False
    ) -> Iterator[R]:
        """``function(*a)`` for each `a`, in any order. The first exception is raised and ends the iteration.

        The function and its arguments are pickled where workers are other processes; keep them small.

        Args:
            remote: the function waits for remote storage, so more of it should run at once than there are cores.
        """
        ...


class Engine(Protocol):
    """Where blocks are scored."""

    def session(self, slots: int = 1) -> AbstractContextManager[Session]:
        """Workers for the length of a ``with`` block.

        Args:
            slots: tasks that may run on this machine at the same time; an engine that uses the machine itself takes
                its share of it.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """For the manifest: kind and settings, without secrets."""
        ...
