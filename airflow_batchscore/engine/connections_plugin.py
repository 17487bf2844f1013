"""Brings the task's storage connections to worker processes. Imported only when there are some."""

from __future__ import annotations

from typing import Any

from distributed import WorkerPlugin

from airflow_batchscore.data import s3


class ConnectionsPlugin(WorkerPlugin):  # type: ignore[misc]  # distributed has no types
    """Registers connections in every worker when it starts, also in one that replaces a dead one.

    Plugins go to workers over the cluster's own channel: the secrets are in no task, graph or process argument.
    """

    name = "batchscore-connections"

    def __init__(self, s3: dict[str, dict[str, Any]]) -> None:
        self._s3 = s3

    def setup(self, worker: Any) -> None:
        """Called by Dask in the worker's process."""
        for conn_id, options in self._s3.items():
            s3.register(conn_id, options)
