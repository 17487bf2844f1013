"""How many tasks run beside each other on a machine, as executor, DAG and operator say."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import BaseOperator

from airflow_batchscore.operators.slots import task_slots

pytestmark = pytest.mark.dag


@pytest.mark.parametrize(
    ("executor", "options", "mapped", "slots"),
    [
        ("LocalExecutor", {}, 17, 6),
        ("LocalExecutor", {}, 2, 2),
        ("LocalExecutor", {"max_active_tis_per_dag": 3}, 17, 3),
        ("LocalExecutor", {"max_active_tis_per_dagrun": 1}, 17, 1),
        ("CeleryExecutor", {}, 17, 4),
        ("KubernetesExecutor", {}, 17, 1),
    ],
)
def test_the_least_of_all_limits_counts(
    monkeypatch: pytest.MonkeyPatch, executor: str, options: dict[str, Any], mapped: int, slots: int
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "6")
    monkeypatch.setenv("AIRFLOW__CELERY__WORKER_CONCURRENCY", "4")
    with DAG("d", schedule=None, max_active_tasks=10):
        operator = BaseOperator(task_id="t", **options)
    assert task_slots(operator, mapped) == slots
