"""Whether a call may have run before. Only its engine knows: clusters rerun the work of a dead worker elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

R = TypeVar("R")

_may_be_a_rerun: ContextVar[bool] = ContextVar("batchscore_may_be_a_rerun", default=False)


def may_be_a_rerun() -> bool:
    """Whether this thread is inside `call_again`."""
    return _may_be_a_rerun.get()


def call_again(function: Callable[..., R], *arguments: object) -> R:
    """Return ``function(*arguments)``, for a call that may have run before on a worker that died.

    The function then looks for results that it left on storage.
    """
    token = _may_be_a_rerun.set(True)
    try:
        return function(*arguments)
    finally:
        _may_be_a_rerun.reset(token)
