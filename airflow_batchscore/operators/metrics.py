"""Metrics of tasks, by Airflow's own StatsD or OpenTelemetry exporter; the table is in docs/operations.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.observability.stats import Stats

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.operators.outcome import Outcome


def emit_metrics(outcome: Outcome, context: Context) -> None:
    """Send the counts and gauges of a task. Nothing is sent where Airflow is configured to send no metrics.

    There is no tag for partition, run or map index: each of their values would be another time series for ever.
    """
    tags = {"dag_id": context["dag_run"].dag_id, "task_id": context["ti"].task_id}
    if outcome.account is not None:
        for name, count in outcome.account.to_dict().items():
            Stats.incr(f"batchscore.{name}", count, tags=tags)
    for name, value in outcome.gauges.items():
        Stats.gauge(f"batchscore.{name}", value, tags=tags)
