"""`PartitionSensor`: wait until the partitions of a data set are there and complete."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

from airflow_batchscore.operators.base import failing_at_once
from airflow_batchscore.operators.supervised import die_with_supervisor

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from airflow_batchscore.data.dataset import PartitionedDataset


class PartitionSensor(BaseSensorOperator):
    """Wait for late data.

    Args:
        dataset: where the data will lie.
        partitions: what to wait for: a list, ``"2000..2016"``, JSON text; None waits for any partition. Templated.
        deferrable: wait in the triggerer, which holds no worker slot; False looks from a worker (``mode`` is then
            ``poke`` or ``reschedule``).
        stable_for: seconds for which no file of a partition may have changed, for uploads that grow in place.
            Held against the files' modification times, so the clocks must agree. Templated.

    ``poke_interval``, ``timeout`` (seconds) and ``soft_fail`` are those of every sensor.

    Returns:
        ``{"partitions": [field values], "files": n, "bytes": n}``.

    Fails after ``timeout`` with the partitions that are missing; at once when the request cannot be read.
    """

    template_fields: Sequence[str] = ("dataset", "partitions", "stable_for")
    ui_color = "#e2f0e9"

    def __init__(
        self,
        *,
        dataset: PartitionedDataset,
        partitions: Any = None,
        deferrable: bool = True,
        stable_for: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset = copy.copy(dataset)
        self.partitions = partitions
        self.deferrable = deferrable
        self.stable_for = stable_for

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Render a copy of the data set, which the DAG's other tasks share."""
        self.dataset = copy.copy(self.dataset)
        super().render_template_fields(context, jinja_env)

    def poke(self, context: Context) -> PokeReturnValue:
        """One look."""
        from airflow_batchscore.connections import connect_dataset
        from airflow_batchscore.data.readiness import look

        with failing_at_once():
            stable_for = float(self.stable_for) if self.stable_for else None
            seen = look(connect_dataset(self.dataset), self.partitions, stable_for=stable_for, now=time.time())
        self.log.info(seen.describe())
        return PokeReturnValue(seen.ready, seen.to_dict() if seen.ready else None)

    def execute(self, context: Context) -> Any:  # noqa: RET503 - defer raises
        die_with_supervisor()
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
                stable_for=float(self.stable_for) if self.stable_for else None,
                poke_interval=self.poke_interval,
                deadline=time.time() + self.timeout,
            ),
            method_name="execute_complete",
        )

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """What the trigger saw last."""
        if event["status"] == "ready":
            return event["found"]
        message = f"{event['message']} (after {self.timeout:.0f} s, in {self.dataset.uri})"
        if event["status"] == "timeout" and self.soft_fail:
            raise AirflowSkipException(message)
        if event["status"] == "timeout":
            raise AirflowSensorTimeout(message)
        raise RuntimeError(f"the trigger could not look at {self.dataset.uri}: {event['message']}")
