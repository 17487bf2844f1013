"""Brings the task's storage connections to worker processes. Imported only when there are some."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from distributed import WorkerPlugin

from airflow_batchscore.data import s3

#: Connection -> tasks that have sent it to this worker and are not done.
_holders: Counter[str] = Counter()


class ConnectionsPlugin(WorkerPlugin):  # type: ignore[misc]  # distributed has no types
    """Registers connections in every worker when it starts, also in one that replaces a dead one.

    Plugins go to workers over the cluster's own channel: the secrets are in no task, graph or process argument.
    """

    def __init__(self, s3: dict[str, dict[str, Any]]) -> None:
        self.name = f"batchscore-connections-{uuid.uuid4().hex[:8]}"
        self._s3 = s3

    def setup(self, worker: Any) -> None:
        """Called by Dask in the worker's process."""
        for conn_id, options in self._s3.items():
            s3.register(conn_id, options)
            _holders[conn_id] += 1

    def teardown(self, worker: Any) -> None:
        """Called when the task that sent them is done with a cluster that lives on."""
        for conn_id in self._s3:
            _holders[conn_id] -= 1
            if not _holders[conn_id]:
                s3.forget(conn_id)
