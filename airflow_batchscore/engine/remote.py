"""What sessions on clusters have in common, whichever system runs them."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from airflow_batchscore.engine.base import Arguments
from airflow_batchscore.engine.versions import Checked
from airflow_batchscore.errors import EngineError

C = TypeVar("C")
R = TypeVar("R")


class RemoteSession(ABC, Generic[C]):
    """A session that connects once there is something to score, and lets go of the cluster when its block ends.

    Workers refuse work if their versions differ from the task's. `C` is what a connection is to the cluster's library.
    """

    block_memory = None  # workers come and go, and differ

    def __init__(self) -> None:
        self.resources = contextlib.ExitStack()
        self._connection: C | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self.resources.__exit__(kind, error, trace)

    def run(self, function: Callable[..., R], arguments: Arguments, *, remote: bool = False) -> Iterator[R]:
        """See `Session`."""
        if self._connection is None:
            self._connection = self.connect()
        yield from self.dispatch(self._connection, Checked.of(function), arguments)

    @abstractmethod
    def connect(self) -> C:
        """Connect to the cluster; `resources` closes what is opened."""

    @abstractmethod
    def dispatch(self, connection: C, function: Callable[..., R], arguments: Arguments) -> Iterator[R]:
        """`run` over a connection."""


def cannot_import(workers: str, what: object) -> EngineError:
    """The error for `workers` that lack a module; `what` names it."""
    return EngineError(
        f"{workers} cannot import what they need: {what}. Install 'airflow-batchscore[worker]' and the modules of the "
        "recipe and the estimator there"
    )
