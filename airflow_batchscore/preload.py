"""Import what scoring tasks need before a worker forks them, so that each starts a second sooner.

Opt in by two lines in ``airflow_local_settings.py`` (in ``$AIRFLOW_HOME/config``), which every Airflow process reads at
its start::

    from airflow_batchscore.preload import preload
    preload()

Tasks of `LocalExecutor` and of Celery's prefork pool are forks of a process that has read it, and share its memory.
It costs the other Airflow processes, which read it too, that second once and about 150 MB each.
"""

from __future__ import annotations

import contextlib
import importlib

_MODULES = (
    "joblib",
    "numpy",
    "pandas",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.fs",
    "pyarrow.parquet",
    "sklearn.linear_model",
    "sklearn.ensemble",
    "sklearn.pipeline",
    "threadpoolctl",
    "airflow_batchscore.scoring.partition",
)


def preload() -> None:
    """Import the libraries; those that are not installed are left out."""
    for name in _MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
