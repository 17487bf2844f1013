"""Announcing what a task did never changes what it did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk.observability.stats import Stats
from operator_calls import dag, executed
from support import Small

from airflow_batchscore.compat import airflow_version
from airflow_batchscore.operators import CheckModelOperator, PlanPartitionsOperator, ScorePartitionOperator

pytestmark = pytest.mark.dag


class _Broken:
    """A metrics backend whose every call fails."""

    def __getattr__(self, name: str) -> Any:
        raise OSError("no route to the metrics server")


@pytest.fixture
def _broken_metrics() -> Iterator[None]:
    from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger

    more: dict[str, Any] = {} if airflow_version() < (3, 3) else {"export_legacy_names": False}
    Stats.initialize(factory=_Broken, **more)
    yield
    Stats.initialize(factory=NoStatsLogger, **more)


@pytest.mark.usefixtures("_broken_metrics")
def test_a_metrics_server_that_fails_fails_no_task(fresh: Small) -> None:
    with dag():
        plan = PlanPartitionsOperator(task_id="plan", dataset=fresh.dataset, partitions=[0], model=fresh.model.uri)
    (entry,) = executed(plan)
    with dag():
        score = ScorePartitionOperator(
            task_id="score", dataset=fresh.dataset, partition=entry, output_uri=f"{fresh.folder}/staged"
        )
    assert executed(score)["manifests"][0]["rows_scored"] == 200


def test_a_task_outside_a_run_raises_no_event_and_works(fresh: Small) -> None:
    with dag():
        gate = CheckModelOperator(task_id="gate", model=fresh.model.uri, promote_to="champion")
    assert executed(gate)["promoted_to"] == "champion"


def test_a_task_that_fails_before_it_read_anything_announces_nothing(fresh: Small) -> None:
    plan = PlanPartitionsOperator(task_id="plan", dataset=fresh.dataset, partitions=[7], model=fresh.model.uri)
    with pytest.raises(Exception, match="p=7"):
        executed(plan)
    assert plan.outcome is None
