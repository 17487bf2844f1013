"""`TaskStore`: Airflow's task state store, on which no task's success depends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from airflow_batchscore.data.json_types import Json, JsonObject

log = logging.getLogger(__name__)


class TaskStore:
    """Keeps values beside a task, for pages. Whatever goes wrong there is logged once and changes nothing else.

    Args:
        context: of the task; without a store (in a notebook), nothing is kept.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        self._store = context.get("task_state_store")
        self._has_warned = False

    def get(self, key: str) -> Json:
        """The value; None if there is none, or if it cannot be read."""
        return self._asked(lambda store: store.get(key))

    def set(self, key: str, value: JsonObject) -> None:
        """Replace the value."""
        self._asked(lambda store: store.set(key, value))

    def delete(self, key: str) -> None:
        """Remove the value, if there is one."""
        self._asked(lambda store: store.delete(key))

    def _asked(self, call: Callable[[Any], Json]) -> Json:
        if self._store is None:
            return None
        try:
            return call(self._store)
        except Exception as error:
            if not self._has_warned:
                self._has_warned = True
                log.warning(
                    "Airflow's task state store failed, so pages may not show this task's progress. The task goes on: "
                    "%s: %s",
                    type(error).__name__,
                    error,
                )
            return None
