"""Records of runs, put together for the tests of what pages show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.publish.progress import Progress
from airflow_batchscore.publish.run_view_records import Kind, RunRecords, TaskRecord
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.scored import ScoredPartition, ScoredTask

NOW = datetime(2026, 11, 22, 10, 5, tzinfo=UTC)
MODEL = ModelRef("/models/v1", "d" * 64)


def at(seconds: float) -> datetime:
    """Seconds after the run began, which is five minutes ago."""
    return NOW - timedelta(minutes=5) + timedelta(seconds=seconds)


def entry(index: int, *keys: int, of: int = 1, **more: Any) -> PlanEntry:
    """Of a plan of `of` entries: the partitions ``p=<key>``, 100 bytes each."""
    fields: dict[str, Any] = {
        "label": f"p={keys[0]}" if len(keys) == 1 else f"{len(keys)} partitions",
        "bytes": 100 * len(keys),
        "partitions": [{"p": str(key)} for key in keys],
        "files": [1] * len(keys),
        "models": OneModel(MODEL),
        "resources": None,
        "tasks": of,
        "index": index,
        "count": of,
        "generation": 7,
        "dataset": "/x",
    }
    return PlanEntry(**{**fields, **more})


def plan(count: int) -> list[PlanEntry]:
    """An entry for each of so many partitions."""
    return [entry(index, index, of=count) for index in range(count)]


def task(state: str | None, map_index: int = 0, kind: Kind = "score", **more: Any) -> TaskRecord:
    """A task instance, named after its kind; if it began, then ten seconds after the run."""
    begun = state in ("running", "success", "failed", "up_for_retry")
    fields: dict[str, Any] = {
        "task_id": kind,
        "map_index": map_index,
        "kind": kind,
        "state": state,
        "try_number": 1,
        "tries": 3,
        "started": at(10) if begun else None,
        "ended": at(40) if begun and state != "running" else None,
    }
    return TaskRecord(**{**fields, **more})


def scored(of: PlanEntry, *, reused: bool = False, **more: Any) -> ScoredTask:
    """What a scoring task returned: 10 rows of each partition, scored in 2 s."""
    partitions = [
        ScoredPartition(
            values,
            f"/staged/p={values['p']}/manifests/000001.json",
            *(f"digest of {values['p']}", "dag/run", 7, reused, Account(10, 7, 2, 1), 2.0, 5),
            **{"blocks": 4, **more},
        )
        for values in of.partitions
    ]
    return ScoredTask(of.label, partitions)


def progress(**more: Any) -> Progress:
    """Of a task that has scored one of four blocks."""
    fields: dict[str, Any] = {
        "try_number": 1,
        "started": at(12).isoformat(),
        "seconds": 20.0,
        "start_up": 0.0,
        "dataset": "/data/{p}.csv",
        "output": "/staged",
        "model": "v1",
        "engine": "LocalDask, 2 threads",
        "workers": 2,
        "memory": None,
        "blocks": 1,
        "blocks_total": 4,
        "account": Account(5, 5, 0, 0),
        "rows_before": 0,
    }
    return Progress(**{**fields, **more})


def records(*tasks: TaskRecord, **more: Any) -> RunRecords:
    """Of a run that goes on."""
    fields: dict[str, Any] = {
        "dag_id": "dag",
        "run_id": "run",
        "state": "running",
        "now": NOW,
        "tasks": tasks,
    }
    return RunRecords(**{**fields, **more})
