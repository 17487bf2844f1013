"""Whether a Dask cluster that returns no results still can: log at once, raise after a while, never hang."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)
T = TypeVar("T")

_ANSWER_SECONDS = 10.0


def within(seconds: float, call: Callable[[], T]) -> T:
    """The result of `call`. Raises TimeoutError if it takes longer; it is then abandoned, in a thread that ends with
    the process. Dask's own time limits do not apply while a scheduler is stopped.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="batchscore-dask", daemon=True).start()
    return answer.result(seconds)


class Watch:
    """Checked now and then by code that waits for results.

    Args:
        name: the scheduler's name in messages.
        patience: seconds that the scheduler may be silent or without workers.
    """

    def __init__(self, client: Client, name: str, patience: float) -> None:
        self._client = client
        self._name = name
        self._patience = patience
        self._problem: str | None = None
        self._since = time.monotonic()
        self.seconds = min(5.0, patience / 2)

    def check(self) -> bool:
        """Whether the cluster can work now. Raises OSError, which a retry may fix, once the patience is exhausted."""
        problem = self._look()
        if problem is None:
            self._problem, self._since = None, time.monotonic()
            return True
        if problem != self._problem:
            log.warning("the Dask scheduler %s %s: waiting, at most %.0f s", self._name, problem, self._patience)
            self._problem = problem
        if time.monotonic() - self._since >= self._patience:
            raise OSError(
                f"the Dask scheduler {self._name} {problem}, for {self._patience:.0f} s. Start it, or workers for "
                "it; if they take longer to come, raise DaskCluster(patience=...)"
            )
        return False

    def _look(self) -> str | None:
        seconds = min(_ANSWER_SECONDS, self._patience)
        try:
            workers: object = within(seconds, self._client.nthreads)
        except OSError:  # TimeoutError is one
            return "does not answer"
        return None if workers else "has no worker"
