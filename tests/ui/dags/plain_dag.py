"""A DAG without any task of this package."""

from __future__ import annotations

from airflow.sdk import DAG, task

with DAG("plain_dag", schedule=None):

    @task
    def nothing() -> None:
        """Does nothing."""

    nothing()
