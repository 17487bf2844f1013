"""The trigger of `PartitionSensor`: the same look, from the triggerer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class PartitionTrigger(BaseTrigger):
    """Looks every `poke_interval` seconds until the partitions are ready, `deadline` (seconds since 1970) has passed,
    or storage has not answered three times in a row.

    Events: ``{"status": "ready", "found": ...}``, ``{"status": "timeout" | "error", "message": ...}``.
    """

    _ERRORS_IN_A_ROW = 3

    def __init__(
        self,
        *,
        dataset: dict[str, Any],
        partitions: Any,
        stable_for: float | None,
        poke_interval: float,
        deadline: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dataset = dataset
        self.partitions = partitions
        self.stable_for = stable_for
        self.poke_interval = poke_interval
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Plain JSON: the trigger may be restarted elsewhere and keeps nothing but this."""
        arguments = {
            name: getattr(self, name) for name in ("dataset", "partitions", "stable_for", "poke_interval", "deadline")
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from asgiref.sync import sync_to_async

        errors = 0
        while True:
            # In a thread: storage and Airflow's connections are asked with calls that block.
            try:
                seen = await sync_to_async(self._look)()
            except OSError as error:
                errors += 1
                message = str(error)
                if errors >= self._ERRORS_IN_A_ROW:
                    yield TriggerEvent({"status": "error", "message": message})
                    return
            except Exception as error:
                yield TriggerEvent({"status": "error", "message": f"{type(error).__name__}: {error}"})
                return
            else:
                errors, message = 0, seen.describe()
                if seen.ready:
                    yield TriggerEvent({"status": "ready", "found": seen.to_dict()})
                    return
            self.log.info(message)
            if time.time() >= self.deadline:
                yield TriggerEvent({"status": "timeout", "message": message})
                return
            await asyncio.sleep(min(self.poke_interval, max(self.deadline - time.time(), 0)))

    def _look(self) -> Any:
        from airflow_batchscore.connections import connect_dataset
        from airflow_batchscore.data.dataset import PartitionedDataset
        from airflow_batchscore.data.readiness import look

        dataset = connect_dataset(PartitionedDataset(**self.dataset))
        return look(dataset, self.partitions, stable_for=self.stable_for, now=time.time())
