"""Hold BLAS and OpenMP to one thread: workers are one a core already, and each would start a thread a core more."""

from __future__ import annotations

import sys
import threading
from typing import Any

_here = threading.local()
_held: list[Any] = []
_holding = threading.Lock()


def hold_to_one_thread() -> None:
    """For the calling thread (OpenMP) and the process (BLAS). Cheap when nothing was imported since the last call.

    To be called when the model is loaded, because a library that loads later comes with its own number of threads.
    """
    if getattr(_here, "modules", 0) == len(sys.modules):
        return
    import threadpoolctl

    with _holding:
        _held.append(threadpoolctl.threadpool_limits(1))
    _here.modules = len(sys.modules)


def let_go() -> None:
    """Give the process the threads back that it had."""
    with _holding:
        while _held:
            _held.pop().restore_original_limits()
