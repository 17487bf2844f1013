"""A task ends with its supervisor, even when the supervisor is killed without warning."""

from __future__ import annotations

import ctypes
import os
import signal
import sys


def die_with_supervisor() -> None:
    """In a task that Airflow's supervisor has forked, `die_with_parent`; elsewhere (``dag.test``) a no-op.

    Airflow leaves such a task running forever, next to the retry that it starts when heartbeats are missing.
    """
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    if type(getattr(runner, "SUPERVISOR_COMMS", None)).__name__ == "CommsDecoder":
        die_with_parent()


def die_with_parent() -> None:
    """Linux: this process is killed when its parent ends (``PR_SET_PDEATHSIG``).

    Dask's worker processes end by themselves when the task's process does.
    """
    if sys.platform == "linux" and os.getppid() > 1:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
