"""`PartitionSensor`: wait until the partitions of a dataset exist and are complete."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException

from airflow_batchscore.data.json_types import Json, JsonMapping, JsonObject
from airflow_batchscore.operators.base import as_number
from airflow_batchscore.operators.failing import ERRORS, begin_try, failed, raised
from airflow_batchscore.operators.places import DATASET, PlacedOperator
from airflow_batchscore.operators.supervised import die_with_supervisor
from airflow_batchscore.operators.task_store import TaskStore
from airflow_batchscore.preload import require_current

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.data.readiness import WaitMemory


_MEMORY = "batchscore_looks"


class PartitionSensor(PlacedOperator, BaseSensorOperator):
    """Wait for late data.

    Args:
        dataset: where the data will arrive.
        partitions: what to wait for: a list, ``"2000..2016"``, JSON text; None waits for any partition. A wildcard
            (``"2026-*"``), or a field left out, waits for at least one partition that fits; a range waits for each
            partition that it names. Templated.
        deferrable: wait in the triggerer, which occupies no worker slot; False checks from a worker (``mode`` is then
            ``poke`` or ``reschedule``).
        stable_for: seconds for which no file of a partition may have changed, for uploads that grow in place.
            Compared with the files' modification times, so the clocks must agree, and with their sizes at the previous
            check. Templated.

    ``poke_interval``, ``timeout`` (seconds) and ``soft_fail`` work as in every sensor.

    Returns:
        ``{"schema": 1, "partitions": [field values], "files": n, "bytes": n, "each": [[files, bytes] of each
        partition]}``, which `PlanPartitionsOperator(partitions=...)` accepts unchanged: it then fails if something was
        deleted since.

    Fails after ``timeout``, naming the missing partitions; at once, without a retry, when the request is invalid or
    storage refuses access; and when storage has not answered three checks in a row, which a retry starts over. All ways
    to wait follow these rules.
    """

    template_fields: Sequence[str] = ("dataset", "partitions", "stable_for")
    places = (DATASET,)
    ui_color = "#e2f0e9"

    def __init__(
        self,
        *,
        dataset: PartitionedDataset,
        partitions: object = None,
        deferrable: bool = True,
        stable_for: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset = copy.copy(dataset)
        self.partitions = partitions
        self.deferrable = deferrable
        self.stable_for = stable_for
        self._memory: WaitMemory | None = None

    def poke(self, context: Context) -> PokeReturnValue:
        """One check."""
        from airflow_batchscore.connections import connect_dataset
        from airflow_batchscore.data.readiness import WaitMemory, after, assess

        memory = self._recall(context)
        try:
            stable_for = self._stable_for()
            dataset = connect_dataset(self.dataset)
            seen = assess(dataset, self.partitions, stable_for=stable_for, now=time.time(), before=memory.shapes)
        except Exception as error:
            failed = memory.failed + 1
            verdict = after(error, failed)
            self._remember(context, replace(memory, failed=failed if verdict == "again" else 0))
            if verdict == "fatal":
                raise raised(error)  # noqa: B904 - it says what it was caused by
            if verdict == "failed":
                raise
            self.log.warning("%s: %s; looking again later", type(error).__name__, error)
            return PokeReturnValue(False)
        self._remember(context, WaitMemory(0, seen.shapes))
        self.log.info(seen.describe())
        return PokeReturnValue(seen.ready, seen.to_dict() if seen.ready else None)

    def _stable_for(self) -> float | None:
        return as_number(self.stable_for, "stable_for", float) if self.stable_for else None

    def _recall(self, context: Context) -> WaitMemory:
        """What the previous check left."""
        from airflow_batchscore.data.readiness import WaitMemory

        if self._looks_in_many_processes(context):
            stored = cast("JsonObject | None", context["task_state_store"].get(_MEMORY))
            self._memory = WaitMemory.from_dict(stored)
        return self._memory or WaitMemory()

    def _remember(self, context: Context, memory: WaitMemory) -> None:
        self._memory = memory
        if self._looks_in_many_processes(context):
            context["task_state_store"].set(_MEMORY, memory.to_dict())

    def _looks_in_many_processes(self, context: Context) -> bool:
        return not self.deferrable and self.reschedule and "task_state_store" in context

    def execute(self, context: Context) -> Json:
        die_with_supervisor()
        store = TaskStore(context)
        try:
            begin_try(context, store)
            require_current()
            self.require_authored(context)
            return self._wait(context)
        except ERRORS as error:
            raise failed(self, context, store, error)  # noqa: B904 - it says what it was caused by

    def _wait(self, context: Context) -> Json:  # noqa: RET503 - defer raises
        if not self.deferrable:
            return super().execute(context)
        from airflow_batchscore.triggers.partition import PartitionTrigger

        first = self.poke(context)
        if first.is_done:
            return first.xcom_value
        self.defer(
            trigger=PartitionTrigger(
                dataset=self.dataset.to_dict(),
                partitions=self.partitions,
                stable_for=self._stable_for(),
                poke_interval=self.poke_interval,
                deadline=time.time() + self.timeout,
            ),
            method_name="execute_complete",
        )

    def execute_complete(self, context: Context, event: JsonMapping) -> Json:
        """What the trigger last saw."""
        try:
            return self._found(event)
        except ERRORS as error:
            raise failed(self, context, TaskStore(context), error)  # noqa: B904 - it says what it was caused by

    def _found(self, event: JsonMapping) -> Json:
        if event["status"] == "ready":
            return event["found"]
        message = event["message"]
        if event["status"] == "fatal":
            raise AirflowFailException(message)
        if event["status"] == "timeout":
            message = f"{message} (after {self.timeout:.0f} s, in {self.dataset.uri})"
            raise AirflowSkipException(message) if self.soft_fail else AirflowSensorTimeout(message)
        raise RuntimeError(f"the trigger could not look at {self.dataset.uri}: {message}")
