"""Imports what tasks need before their processes are forked, so that each starts without importing it.

By default this happens where tasks are forked: in a scheduler with `LocalExecutor` (`plugin`) and in Celery's worker
(`celery_worker`). Forks share the memory; Airflow itself keeps garbage collection from copying it (`gc.freeze`).
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import time

from airflow_batchscore.errors import EngineError, listed, said

log = logging.getLogger(__name__)

#: What every task of the operators imports. None of them starts a thread that a fork would miss.
_MODULES = (
    "distributed",
    "joblib",
    "numpy",
    "pandas",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.fs",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "threadpoolctl",
    "airflow_batchscore.scoring.partition",
)
#: Module -> its file, and the `_stamp` of that when it was imported.
_files: dict[str, tuple[str, tuple[int, ...]]] = {}
#: State of numpy's global generator as this process inherited it, or as it was seeded here.
_unused: tuple[bytes, int] | None = None


def preload(*more: str) -> None:
    """Import the libraries, and the modules `more`. What cannot be imported is left to the tasks, with a warning."""
    global _unused
    before, began = set(sys.modules), time.monotonic()
    for name in (*_MODULES, *more):
        try:
            importlib.import_module(name)
        except Exception as error:  # a task that needs it reports it; what starts tasks must start itself
            log.warning("%s was not imported before tasks are forked: %s", name, said(error))
    try:
        _make_first_calls()
    except Exception as error:
        log.warning("what takes its time at the first call was left to the tasks: %s", said(error))
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and (name not in before or name.startswith("airflow_batchscore.")):
            _files[name] = (file, _stamp(file))
    if "numpy" in sys.modules:
        _unused = _generator()
        os.register_at_fork(after_in_child=_seed_anew)
    log.info("imported %d modules for tasks in %.1f s", len(_files), time.monotonic() - began)


def require_current() -> None:
    """Require that the modules imported before this process was forked are those that are installed.

    Otherwise a task would run old code, or a mixture, and its scores would be filed under the installed versions.

    Raises:
        EngineError: one was replaced.
    """
    replaced = {name.partition(".")[0] for name, (file, stamp) in _files.items() if _stamp(file) != stamp}
    if replaced:
        raise EngineError(
            f"{listed(sorted(replaced))}: replaced on this machine after the scheduler or Celery worker that started "
            "this task had imported it. Nothing was read or written. Restart the scheduler (LocalExecutor) or the "
            "worker whenever packages are installed, then clear the task"
        )


def _make_first_calls() -> None:
    """Look for versions of packages, kinds of tables (scikit-learn) and the C library (threadpoolctl): 45 ms per task.

    Nothing here may start a thread of OpenMP, which would be missing in the forks.
    """
    import numpy as np
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import ThreadpoolController

    from airflow_batchscore.model.libraries import library_versions

    library_versions()
    StandardScaler().fit(np.zeros((1, 1)))
    ThreadpoolController()  # a task looks again: its model may bring other libraries


def _stamp(file: str) -> tuple[int, ...]:
    """What differs once a file is replaced; empty if it is gone."""
    try:
        status = os.stat(file)
    except OSError:
        return ()
    return (status.st_mtime_ns, status.st_size)


def _seed_anew() -> None:
    """Seed numpy's global generator in a fork, unless somebody has seeded or used it.

    All tasks would otherwise draw the same numbers. (Python seeds its own generator anew.)
    """
    global _unused
    if _unused == _generator():
        sys.modules["numpy"].random.seed()
        _unused = _generator()


def _generator() -> tuple[bytes, int]:
    _, key, position, *_ = sys.modules["numpy"].random.get_state()
    return key.tobytes(), position
