"""How many tasks may run on this machine at once: an engine that uses the machine takes only its share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def task_slots(operator: BaseOperator, mapped: int) -> int:
    """The minimum of the number of mapped tasks and what executor, DAG and operator allow to run side by side.

    In a Kubernetes pod, which has its own cgroup, it is 1.
    """
    executor = operator.executor or conf.get("core", "executor", fallback="LocalExecutor")
    name = executor.split(",")[0]
    if "Kubernetes" in name and "Celery" not in name and "Local" not in name:
        return 1
    section, key = ("celery", "worker_concurrency") if "Celery" in name else ("core", "parallelism")
    return min(most_at_once(operator, mapped), max(1, conf.getint(section, key, fallback=mapped) or mapped))


def most_at_once(operator: BaseOperator, mapped: int) -> int:
    """How many of so many mapped tasks Airflow lets run side by side, on all workers; pools may allow fewer."""
    limits = [
        mapped,
        conf.getint("core", "parallelism", fallback=mapped),
        operator.max_active_tis_per_dag,
        operator.max_active_tis_per_dagrun,
        operator.dag.max_active_tasks,
    ]
    return max(1, min(limit for limit in limits if limit))
