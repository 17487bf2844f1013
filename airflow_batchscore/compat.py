"""What differs between the versions of Airflow that are supported, 3.2 and newer: all of it is here.

Elsewhere, nothing is imported from Airflow that 3.2 does not have (docs/decisions/0027-airflow-3.2.md).
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_OLDEST = (3, 2)
_NEEDED = "airflow_batchscore needs Apache Airflow {}.{} or newer".format(*_OLDEST)


@cache  # pages ask at every request, and each look reads the folders of all packages
def _installed() -> str:
    """Airflow's version. Not by importing it, which would set up its logging wherever this package is imported."""
    for name in ("apache-airflow-core", "apache-airflow"):  # the first is there since Airflow 3
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    raise ImportError(f"{_NEEDED} for its operators, and there is none: pip install apache-airflow")


def airflow_version() -> tuple[int, int]:
    """Major and minor version. Raises ImportError without an Airflow."""
    major, minor = _installed().split(".")[:2]
    return int(major), int(minor)


def installed_airflow() -> str:
    """The whole version, for messages. Raises ImportError without an Airflow."""
    return _installed()


def require_airflow() -> None:
    """Raise ImportError in an Airflow that is too old, before a name that it lacks is imported and fails instead."""
    if airflow_version() < _OLDEST:
        raise ImportError(f"{_NEEDED}, and this is {_installed()}: upgrade Airflow, or uninstall airflow-batchscore")


# Since Airflow 3.3. Can go once 3.2 is no longer supported, and `RunRecords.keeps_state` and `May.ask` with it.
def has_task_state_store() -> bool:
    """Whether tasks can keep values for pages, and pages values for tasks.

    Without it, a page shows what tasks returned alone: no progress, no reasons, no checks of gates.
    """
    return airflow_version() >= (3, 3)


# Since Airflow 3.3, likewise.
def has_partition_events() -> bool:
    """Whether a task can raise an asset event for each of several partitions, and keep values beside an asset.

    Without it, the events of a run carry the run's own partition key, if it has one.
    """
    return airflow_version() >= (3, 3)


# Since Airflow 3.3, likewise.
def task_state_table() -> Any | None:
    """The database table of the task state store; None if there is no such store."""
    if not has_task_state_store():
        return None
    from airflow.models.task_state_store import TaskStateStoreModel

    return TaskStateStoreModel
