"""Runs that never ran: their rows in the database of the session's DAGs, as Airflow and the tasks would leave them."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_batchscore.compat import has_task_state_store, task_state_table
from airflow_batchscore.data.storage import Location
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.operators.estimating import ESTIMATE_KEY
from airflow_batchscore.operators.seal import seal
from airflow_batchscore.operators.stored_lists import shortened
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.estimate import Estimate
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.publish.progress import PROGRESS_KEY, Progress
from airflow_batchscore.publish.published import PublishedRun, Report
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.scored import ScoredPartition, ScoredTask

#: For tests of what tasks keep for pages.
state_is_kept = pytest.mark.skipif(not has_task_state_store(), reason="Airflow 3.2 has no task state store")

DAG_ID = "small_pipeline"
BEGAN = datetime(2026, 11, 22, 10, tzinfo=UTC)
GENERATION = 7
DATASET = "/data/part_{p}.csv"
_SIZE = 1 << 20
_ROWS = 1000


@dataclass
class MadeRun:
    """A run that is put together task by task, then written.

    Attributes:
        lists: folder for lists of more than 20 partitions.
        ended: when the run did; None if that is not known.
    """

    lists: Path
    state: str = "running"
    run_id: str = field(default_factory=lambda: f"made__{uuid.uuid4()}")
    tasks: list[dict[str, Any]] = field(default_factory=list)
    xcoms: list[tuple[str, int, Any]] = field(default_factory=list)
    states: list[tuple[str, int, str, Any]] = field(default_factory=list)
    estimates: list[tuple[str, Any]] = field(default_factory=list)
    dag_id: str = DAG_ID
    ended: datetime | None = None

    @property
    def name(self) -> str:
        return f"{self.dag_id}/{self.run_id}"

    def task(self, task_id: str, operator: str, state: str | None, map_index: int = -1, **more: Any) -> None:
        """A task instance; `more`: columns."""
        begun = state not in (None, "queued", "scheduled", "upstream_failed")
        over = state in ("success", "failed")
        times = {
            "start_date": BEGAN if begun else None,
            "end_date": BEGAN + timedelta(seconds=10) if over else None,
        }
        fixed = {"task_id": task_id, "operator": operator, "state": state, "map_index": map_index}
        self.tasks.append({**times, "try_number": 1, "max_tries": 0, "hostname": "worker-1", **fixed, **more})

    def plan(self, sizes: Sequence[int], model_ref: ModelRef | None = None) -> list[PlanEntry]:
        """The plan has succeeded; `sizes`: partitions of each task."""
        model = OneModel(model_ref or ModelRef(f"{self.lists}/model/v1", "d" * 64))
        first, entries = 0, []
        for index, size in enumerate(sizes):
            partitions = [{"p": str(first + at)} for at in range(size)]
            label = f"p={first}" if size == 1 else f"p={first} and {size - 1} more"
            entries.append(
                PlanEntry(
                    *(label, partitions, [1] * size, size * _SIZE, model),
                    *(None, len(sizes), index, len(sizes), GENERATION, DATASET),
                )
            )
            first += size
        value = [
            seal(shortened(entry.to_dict(), Location(str(self.lists))), "plan", self.name, "plan") for entry in entries
        ]
        self.task("plan", "PlanPartitionsOperator", "success")
        self.xcoms.append(("plan", -1, value))
        return entries

    def estimated(self, estimate: Estimate, **changes: Any) -> None:
        """What the plan predicted; `changes`: by somebody who may edit XComs."""
        sealed = seal(estimate.to_dict(), "estimate", self.name, "plan")
        self.estimates.append(("plan", {**sealed, **changes}))

    def scored(self, entry: PlanEntry, *, reused: bool = False, **more: Any) -> None:
        """The scoring task of an entry has succeeded."""
        partitions = [
            ScoredPartition(
                values,
                f"{self.lists}/staged/p={values['p']}/{'a' * 16}/manifests/000001.json",
                *(hashlib.sha256(values["p"].encode()).hexdigest(), self.name, GENERATION, reused),
                *(Account(_ROWS, _ROWS - 3, 2, 1), 2.0, _ROWS // 2, 4),
            )
            for values in entry.partitions
        ]
        value = shortened(ScoredTask(entry.label, partitions).to_dict(), Location(str(self.lists)))
        self.task("score", "ScorePartitionOperator", "success", entry.index, rendered_map_index=entry.label, **more)
        self.xcoms.append(("score", entry.index, seal(value, "scores", self.name, "score", entry.index)))
        self.progress(entry, blocks=4, rows=_ROWS * len(partitions))

    def progress(self, entry: PlanEntry, **more: Any) -> None:
        """What the scoring task of an entry has written."""
        fields: dict[str, Any] = {
            "try_number": 1,
            "started": (BEGAN + timedelta(seconds=1)).isoformat(),
            "seconds": 2.0,
            "start_up": 0.0,
            "dataset": DATASET,
            "output": "/staged",
            "model": "v1",
            "engine": "LocalDask, 2 threads",
            "workers": 2,
            "memory": 1 << 28,
            "blocks": 0,
            "blocks_total": 4,
            "rows_before": 0,
        }
        rows = more.pop("rows", 0)
        progress = Progress(**{**fields, **more}, account=Account(rows, rows))
        self.states.append(("score", entry.index, PROGRESS_KEY, progress.to_dict()))

    def published(self) -> None:
        """The publishing task has succeeded."""
        report = Report(Location(f"{self.lists}/report.html"), Location(f"{self.lists}/report.json"), "d" * 64)
        value = PublishedRun(f"{self.lists}/out.parquet", 10, 1, 1, 0, 0, 0, 0, report).to_dict()
        self.task("publish", "CombineOperator", "success")
        self.xcoms.append(("publish", -1, seal(value, "publication", self.name, "publish")))

    def kept(self, task_id: str, map_index: int, key: str, value: Mapping[str, Any]) -> None:
        """A value of the task state store."""
        self.states.append((task_id, map_index, key, value))

    def write(self) -> str:
        """Put it into the database; returns its id."""
        from airflow.models.dag_version import DagVersion
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session
        from airflow.utils.types import DagRunType
        from sqlalchemy import insert

        with create_session() as session:
            run = DagRun(dag_id=self.dag_id, run_id=self.run_id, run_type=DagRunType.MANUAL, run_after=BEGAN)
            run.state, run.start_date, run.end_date = self.state, BEGAN, self.ended
            session.add(run)
            session.flush()
            version = DagVersion.get_latest_version(self.dag_id, session=session)
            of_run = {"dag_id": self.dag_id, "run_id": self.run_id}
            whole = {"pool": "default_pool", "pool_slots": 1, "span_status": "not_started", "rendered_map_index": None}
            common = {"executor_config": {}, "dag_version_id": version.id if version else None}
            tasks = [{"id": uuid.uuid4(), **common, **of_run, **whole, **task} for task in self.tasks]
            now = {"dag_run_id": run.id, **of_run}
            xcoms = [
                {
                    **now,
                    "task_id": task_id,
                    "map_index": index,
                    "key": "return_value",
                    "value": value,
                    "timestamp": BEGAN,
                }
                for task_id, index, value in self.xcoms
            ]
            xcoms += [
                {**now, "task_id": task_id, "map_index": -1, "key": ESTIMATE_KEY, "value": value, "timestamp": BEGAN}
                for task_id, value in self.estimates
            ]
            states = [
                {**now, "task_id": task_id, "map_index": index, "key": key, "value": json.dumps(value)}
                for task_id, index, key, value in self.states
            ]
            for model, rows in ((TaskInstance, tasks), (XComModel, xcoms), (task_state_table(), states)):
                if model is not None and rows:
                    session.execute(insert(model.__table__), rows)
        return self.run_id
