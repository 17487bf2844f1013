"""Passes the task's storage connections to worker processes. Imported only if there are any."""

from __future__ import annotations

import uuid
from collections import Counter

from distributed import WorkerPlugin

from airflow_batchscore.data.storage import credentials

#: Connection -> number of unfinished tasks that have sent it to this worker.
_holders: Counter[str] = Counter()


class ConnectionsPlugin(WorkerPlugin):  # type: ignore[misc]  # distributed has no types
    """Registers connections in every worker when it starts, including replacements for dead workers.

    Plugins are sent over the cluster's own channel: no task, graph or process argument contains the secrets.
    """

    def __init__(self, connections: dict[str, dict[str, object]]) -> None:
        self.name = f"batchscore-connections-{uuid.uuid4().hex[:8]}"
        self._connections = connections

    def setup(self, worker: object) -> None:
        """Called by Dask in the worker's process."""
        for conn_id, options in self._connections.items():
            credentials.register(conn_id, options)
            _holders[conn_id] += 1

    def teardown(self, worker: object) -> None:
        """Called when the task that sent them is done with a cluster that keeps running."""
        for conn_id in self._connections:
            _holders[conn_id] -= 1
            if not _holders[conn_id]:
                credentials.forget(conn_id)
