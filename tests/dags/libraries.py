"""A task that says which libraries its process had when it began."""

from __future__ import annotations

import sys

from airflow.sdk import DAG, task

with DAG("libraries", schedule=None):

    @task
    def loaded() -> list[str]:
        """Nothing in this file imports them."""
        return [name for name in ("distributed", "pandas", "pyarrow.parquet", "sklearn") if name in sys.modules]

    loaded()
