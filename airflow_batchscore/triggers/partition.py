"""The trigger of `PartitionSensor`: the same check, from the triggerer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_batchscore.data.json_types import JsonObject

if TYPE_CHECKING:
    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.data.readiness import Listing, Readiness, Shapes
    from airflow_batchscore.data.request import Request


class PartitionTrigger(BaseTrigger):
    """Checks every `poke_interval` seconds until the partitions are ready, `deadline` (seconds since 1970) has passed,
    or an error ends the wait (`data.readiness.after`). Triggers of one process that wait for the same dataset share
    a listing of it.

    Events: ``{"status": "ready", "found": ...}``, ``{"status": "timeout" | "failed" | "fatal", "message": ...}``.
    """

    def __init__(
        self,
        *,
        dataset: JsonObject,
        partitions: object,
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
        self._asked: Request | None = None
        self._keys: tuple[list[str] | None] | None = None

    def serialize(self) -> tuple[str, JsonObject]:
        """Plain JSON: the trigger may be restarted elsewhere and keeps only this."""
        arguments = {
            name: getattr(self, name) for name in ("dataset", "partitions", "stable_for", "poke_interval", "deadline")
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from airflow_batchscore.data.readiness import after

        failed = 0
        before: Shapes = {}
        while True:
            try:
                seen = await self._look(before)
            except Exception as error:
                failed += 1
                status, message = after(error, failed), f"{type(error).__name__}: {error}"
                if status != "again":
                    yield TriggerEvent({"status": status, "message": message})
                    return
            else:
                failed, before, message = 0, seen.shapes, seen.describe()
                if seen.ready:
                    yield TriggerEvent({"status": "ready", "found": seen.to_dict()})
                    return
            self.log.info(message)
            if time.time() >= self.deadline:
                yield TriggerEvent({"status": "timeout", "message": message})
                return
            await asyncio.sleep(min(self.poke_interval, max(self.deadline - time.time(), 0)))

    async def _look(self, before: Shapes) -> Readiness:
        from airflow_batchscore.data.dataset import PartitionedDataset
        from airflow_batchscore.data.readiness import judge, requested_keys
        from airflow_batchscore.triggers.looks import KEPT_SECONDS, shared

        dataset = PartitionedDataset(**self.dataset)
        if self._asked is None:
            # A long request takes a while to read, and other triggers wait for this event loop.
            self._asked = await asyncio.to_thread(dataset.read, self.partitions)
        name = json.dumps(self.dataset, sort_keys=True)
        max_age = min(KEPT_SECONDS, self.poke_interval)
        listing, began = await shared.look(name, lambda: _listed(dataset), max_age=max_age)
        asked = self._asked

        def judged() -> Readiness:
            keys = self._keys or (requested_keys(asked, listing),)
            self._keys = keys if asked.is_fixed else None
            return judge(listing, keys[0], stable_for=self.stable_for, now=began, before=before)

        # As does a long listing to judge.
        return await asyncio.to_thread(judged)


def _listed(dataset: PartitionedDataset) -> Listing:
    from airflow_batchscore.connections import connect_dataset
    from airflow_batchscore.data.readiness import list_partitions

    return list_partitions(connect_dataset(dataset))
