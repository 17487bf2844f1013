"""The JSON that the page of a run shows, and that of a task, from plain records. The shapes: ui/src/api/types.ts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.publish.run_view_eta import Work, covered, estimate
from airflow_batchscore.publish.run_view_failures import Failures, collect_failures
from airflow_batchscore.publish.run_view_matching import matched_entries
from airflow_batchscore.publish.run_view_partitions import (
    PartitionTable,
    ScoringWork,
    count_states,
    scoring_works,
)
from airflow_batchscore.publish.run_view_records import GATES, KINDS, Instance, RunRecords, TaskRecord, iso
from airflow_batchscore.quality.accounting import Account

#: Of mapped tasks, the state that counts most comes first.
_WORST = (
    *("failed", "upstream_failed", "running", "restarting", "deferred", "up_for_retry", "up_for_reschedule"),
    *("queued", "scheduled", None, "success", "skipped", "removed"),
)
_OVER = ("success", "failed")


@dataclass(frozen=True)
class May:
    """What the user may do: clear tasks of the DAG, and ask them to score again (force, replay) instead of going on."""

    rerun: bool
    ask: bool


class RunView:
    """A run as its page shows it."""

    def __init__(self, records: RunRecords) -> None:
        self._records = records
        self._works = scoring_works(records, matched_entries(records))

    @cached_property
    def _failures(self) -> Failures:
        labels = {work.task.instance: work.entry.label for work in self._works if work.task and work.entry}
        return collect_failures(self._records, labels)

    def to_dict(self, may: May, *, model: JsonObject | None, outputs: Sequence[JsonObject]) -> JsonObject:
        """``RunView`` of the pages.

        Args:
            model, outputs: see `run_view_model`.
        """
        records = self._records
        table = PartitionTable.of(self._works, self._failures, records.drifts)
        return {
            "dag_id": records.dag_id,
            "run_id": records.run_id,
            "is_scoring": bool(records.tasks),
            "state": records.state,
            "now": records.now.isoformat(),
            "incomplete": records.is_incomplete,
            "may": vars(may),
            "stages": _stages(records),
            "totals": self._totals(self._works, table),
            "estimate": self._estimate(),
            "partitions": table.to_dict(),
            "failures": [view.to_dict() for view in self._failures.views],
            "gates": [_gate(records, task) for kind in GATES for task in records.of_kind(kind)],
            "model": model,
            "inputs": [{"dataset": name} for name in dict.fromkeys(p.dataset for p in records.progress.values())],
            "outputs": list(outputs),
        }

    def _estimate(self) -> JsonObject | None:
        """What the run's plan predicted; with several plans, nothing. How long scoring takes is among the totals."""
        if len(self._records.estimates) != 1:
            return None
        (estimate,) = self._records.estimates
        shown = ("seconds", "low", "high", "peak_memory", "cost", "rows", "sample_seconds", "sample_rows")
        peaks = [work.progress.peak for work in self._works if work.progress]
        return {**{name: getattr(estimate, name) for name in shown}, "took_memory": max(peaks, default=0) or None}

    def task_dict(self, instance: Instance, may: May) -> JsonObject | None:
        """``TaskView`` of the pages; None if the run has no such task of this package."""
        records = self._records
        task = next((task for task in records.tasks if task.instance == instance), None)
        if task is None:
            return None
        works = [work for work in self._works if work.task == task]
        failures = Failures([], {})  # the task has at most one, and the page shows it by itself
        table = PartitionTable.of(works, failures, records.drifts) if works else None
        progress = records.progress_of(task)
        failure = self._failures.of.get(instance)
        return {
            "dag_id": records.dag_id,
            "run_id": records.run_id,
            "task_id": task.task_id,
            "map_index": task.map_index,
            "kind": task.kind,
            "label": next((work.entry.label for work in works if work.entry), task.label or task.name),
            "state": task.state,
            "now": records.now.isoformat(),
            "incomplete": records.is_incomplete,
            "may": vars(may),
            "try_number": task.try_number,
            "max_tries": task.tries,
            "worker": task.worker,
            "partitions": table.to_dict() if table else None,
            "totals": self._totals(works, table) if table else None,
            "progress": None
            if progress is None
            else {
                **{
                    name: getattr(progress, name)
                    for name in ("started", "engine", "memory", "dataset", "output", "model")
                },
                "slowest": [vars(block) for block in progress.slowest],
            },
            "failure": None if failure is None else self._failures.views[failure].to_dict(),
            "gate": _gate(records, task) if task.kind in GATES else None,
        }

    def _totals(self, works: Sequence[ScoringWork], table: PartitionTable) -> JsonObject:
        records = self._records
        account = sum((work.account for work in works), Account())
        blocks = [work.blocks for work in works]
        seconds = _seconds([work.task for work in works if work.task], records.now)
        own = sum(work.own_rows for work in works)
        is_over = records.state in _OVER
        eta = None if is_over else estimate([_work(work) for work in works], records.now.timestamp())
        return {
            **account.to_dict(),
            "partitions": len(table.key),
            "by_state": count_states(table),
            "bytes": sum(table.bytes),
            "bytes_done": round(sum(work.entry.bytes * min(work.share, 1.0) for work in works if work.entry)),
            "blocks": sum(done for done, _ in blocks),
            "blocks_total": sum(of_all for _, of_all in blocks),
            "seconds": seconds,
            "rows_per_second": round(own / seconds, 1) if seconds and own else None,
            "eta": eta.to_dict() if eta else None,
            "drift": _drift(records, table),
            "drift_limit": records.drifts.limit,
        }


def nothing_here(dag_id: str, run_id: str, task: Instance, state: str | None, now: datetime, may: May) -> JsonObject:
    """``TaskView`` of a task of another package."""
    return {
        "dag_id": dag_id,
        "run_id": run_id,
        "task_id": task[0],
        "map_index": task[1],
        "kind": None,
        "label": task[0],
        "state": state,
        "now": now.isoformat(),
        "incomplete": False,
        "may": vars(may),
        "try_number": 0,
        "max_tries": 0,
        "worker": None,
        "partitions": None,
        "totals": None,
        "progress": None,
        "failure": None,
        "gate": None,
    }


def _stages(records: RunRecords) -> list[JsonObject]:
    order = list(KINDS.values())
    stages: dict[str, list[TaskRecord]] = {}
    for task in sorted(records.tasks, key=lambda task: (order.index(task.kind), task.task_id)):
        stages.setdefault(task.task_id, []).append(task)
    return [_stage(task_id, instances, records.now) for task_id, instances in stages.items()]


def _stage(task_id: str, tasks: Sequence[TaskRecord], now: datetime) -> JsonObject:
    states = Counter(task.state for task in tasks)
    started, ended = [task.started for task in tasks if task.started], [task.ended for task in tasks if task.ended]
    return {
        "task_id": task_id,
        "kind": tasks[0].kind,
        "state": next((state for state in _WORST if state in states), None),
        "started": iso(min(started, default=None)),
        "ended": iso(max(ended)) if len(ended) == len(tasks) else None,
        "seconds": _seconds(tasks, now),
        "tasks": len(tasks),
        "by_state": {state or "none": count for state, count in states.items()},
    }


def _gate(records: RunRecords, task: TaskRecord) -> JsonObject:
    result = records.gate_of(task)
    checks = [check.to_dict() for check in result.checks] if result else []
    return {"task_id": task.task_id, "kind": task.kind, "state": task.state, "checks": checks}


def _seconds(tasks: Sequence[TaskRecord], now: datetime) -> float | None:
    times = [(task.started, task.ended or now) for task in tasks if task.started]
    return round(covered([(begin.timestamp(), end.timestamp()) for begin, end in times]), 3) if times else None


def _work(work: ScoringWork) -> Work:
    """What the estimate needs to know of a task. One that will be tried again waits."""
    size = float((work.entry.bytes or len(work.keys)) if work.entry else len(work.keys))
    task, progress, share = work.task, work.progress, work.share
    has_failed = task is not None and task.state in ("failed", "upstream_failed", "skipped", "removed")
    is_live = task is not None and task.state in ("running", "deferred", "success")
    if task is None or not (is_live or has_failed) or task.started is None:
        return Work(size, done=1.0 if has_failed else 0.0)
    read = work.account.rows_read
    began = worked = None
    if progress and (task.ended or progress.start_up is not None):
        start_up = progress.start_up or 0.0
        began = datetime.fromisoformat(progress.started).timestamp() + start_up
        worked = max(progress.seconds - start_up, 0.0)
    return Work(
        size,
        done=share,
        own=share * work.own_rows / read if read else 0.0,
        started=task.started.timestamp(),
        ended=task.ended.timestamp() if task.ended else None,
        began=began,
        worked=worked,
    )


def _drift(records: RunRecords, table: PartitionTable) -> JsonObject | None:
    measured = [(value, place) for place, value in enumerate(table.drift) if value is not None]
    if measured:
        value, place = max(measured)
        return {"value": value, "column": table.drift_column[place], "partition": table.key[place]}
    worst = records.drifts.worst
    return None if worst is None else {"value": worst, "column": None, "partition": None}
