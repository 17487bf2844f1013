"""Imports what tasks need in Celery's worker, before it forks its pool: an entry point of the group ``airflow.policy``.

``airflow celery worker`` loads no plugin before it forks. Every Airflow process imports the modules of this group as it
starts: the packaged form of ``airflow_local_settings.py``. This one holds no policy, and does nothing in a process of
another kind.
"""

from __future__ import annotations

import contextlib
import sys


def _preload(**_: object) -> None:
    from airflow_batchscore.plugin.preloading import preload_as_configured

    preload_as_configured()


if sys.argv[1:3] == ["celery", "worker"]:
    with contextlib.suppress(ImportError):  # Airflow says that Celery is missing
        from celery.signals import import_modules

        import_modules.connect(_preload)
