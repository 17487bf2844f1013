"""The partitions of a run as a table of columns, and their totals, from what its tasks returned and keep writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import ChampionAndChallenger, ModelByColumn, ModelPerPartition, OneModel
from airflow_batchscore.publish.progress import Progress
from airflow_batchscore.publish.run_view_failures import Failures
from airflow_batchscore.publish.run_view_records import Drifts, RunRecords, TaskRecord, iso
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.scored import ScoredPartition, ScoredTask

PartitionState = Literal["waiting", "running", "scored", "reused", "failed", "skipped"]
#: There is no rate of less: progress is rounded to milliseconds.
_LEAST_SECONDS = 0.001
#: Of tasks whose partitions are scored now.
_WORKING = ("running", "deferred", "restarting")


@dataclass(frozen=True)
class ScoringWork:
    """A scoring task with all that is known about it.

    Attributes:
        task: None for an entry of the plan that no task has taken yet.
        entry: None where it is not known which it is.
        progress: of the present try.
    """

    task: TaskRecord | None
    entry: PlanEntry | None
    scored: ScoredTask | None
    progress: Progress | None

    @cached_property
    def keys(self) -> list[str]:
        """Of its partitions, in the order of the plan."""
        if self.entry is not None:
            return self.entry.keys
        return [partition.key for partition in self.scored.partitions] if self.scored else []

    @property
    def account(self) -> Account:
        """Rows so far."""
        if self.scored is not None:
            return self.scored.account
        return self.progress.account if self.progress else Account()

    @property
    def own_rows(self) -> int:
        """Rows that the present try has read itself."""
        if self.progress is not None:
            return max(self.progress.account.rows_read - self.progress.rows_before, 0)
        return sum(partition.own_rows for partition in self.scored.partitions) if self.scored else 0

    @property
    def blocks(self) -> tuple[int, int]:
        """Scored, and of how many."""
        committed = sum(partition.blocks for partition in self.scored.partitions) if self.scored else 0
        if committed or self.progress is None:
            return committed, committed
        return self.progress.blocks, max(self.progress.blocks_total, self.progress.blocks)

    @property
    def share(self) -> float:
        """Of its work that is done, from 0 to 1. Blocks in progress count as half done once one has ended."""
        if self.scored is not None:
            return 1.0
        if self.progress is None:
            return 0.0
        blocks, of_all = self.blocks
        if blocks and of_all:
            return (blocks + min(self.progress.workers, of_all - blocks) / 2) / of_all
        return len(self._done) / len(self.keys) if self.keys else 0.0

    def states(self) -> list[PartitionState]:
        """Of each partition."""
        if self.scored is not None:
            reused = {partition.key: partition.reused for partition in self.scored.partitions}
            return ["reused" if reused.get(key) else "scored" for key in self.keys]
        state = self.task.state if self.task else None
        current = set(self.progress.current) if self.progress else set()
        return ["scored" if at in self._done else self._unfinished(at, current, state) for at in range(len(self.keys))]

    @cached_property
    def _done(self) -> set[int]:
        """Positions of the partitions that the present try has committed, or found."""
        ranges, last = self.progress.done if self.progress else (), len(self.keys) - 1
        return {at for begin, end in ranges for at in range(max(begin, 0), min(end, last) + 1)}

    def _unfinished(self, position: int, current: set[int], state: str | None) -> PartitionState:
        in_turn = position in current or len(self.keys) == 1
        if state in _WORKING:
            return "running" if in_turn else "waiting"
        if state in ("failed", "success"):  # a success without a result was marked by somebody
            return "failed" if in_turn or not current else "waiting"
        return "skipped" if state in ("skipped", "removed", "upstream_failed") else "waiting"


@dataclass
class PartitionTable:
    """Columns with a value per partition; ``PartitionTable`` of the pages.

    Rows and blocks of the partitions of a pack are known once its task has ended: until then, only its sums are.
    """

    key: list[str] = field(default_factory=list)
    state: list[PartitionState] = field(default_factory=list)
    rows_read: list[int] = field(default_factory=list)
    rows_scored: list[int] = field(default_factory=list)
    rows_skipped: list[int] = field(default_factory=list)
    rows_quarantined: list[int] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    blocks_total: list[int] = field(default_factory=list)
    seconds: list[float | None] = field(default_factory=list)
    rows_per_second: list[float | None] = field(default_factory=list)
    drift: list[float | None] = field(default_factory=list)
    drift_column: list[str | None] = field(default_factory=list)
    model: list[str] = field(default_factory=list)
    task: list[int] = field(default_factory=list)
    tasks: list[JsonObject] = field(default_factory=list)

    @classmethod
    def of(cls, works: Sequence[ScoringWork], failures: Failures, drifts: Drifts) -> PartitionTable:
        """The partitions of these tasks, in order."""
        table = cls()
        for work in works:
            table.tasks.append(_task(work, failures))
            table._add(work, drifts)
        return table

    def _add(self, work: ScoringWork, drifts: Drifts) -> None:
        scored = {each.key: each for each in work.scored.partitions} if work.scored else {}
        keys, task = work.keys, len(self.tasks) - 1
        size = round(work.entry.bytes / len(keys)) if work.entry and keys else 0
        self.key += keys
        self.state += work.states()
        self.bytes += [size] * len(keys)
        self.task += [task] * len(keys)
        self.model += [_model(work.entry, key) for key in keys]
        for key in keys:
            done = scored.get(key)
            drift = drifts.partitions.get(done.digest) if done else None
            account, seconds, rate = _figures(work, done)
            blocks, of_all = (done.blocks, done.blocks) if done else work.blocks if len(keys) == 1 else (0, 0)
            self.rows_read.append(account.rows_read)
            self.rows_scored.append(account.rows_scored)
            self.rows_skipped.append(account.rows_skipped)
            self.rows_quarantined.append(account.rows_quarantined)
            self.blocks.append(blocks)
            self.blocks_total.append(of_all)
            self.seconds.append(seconds)
            self.rows_per_second.append(rate)
            self.drift.append(drift[0] if drift else None)
            self.drift_column.append(drift[1] if drift else None)

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return dict(vars(self))


def _figures(work: ScoringWork, done: ScoredPartition | None) -> tuple[Account, float | None, float | None]:
    """Rows, seconds and rows per second of a partition."""
    if done is not None:
        return done.account, done.seconds, None if done.reused else float(done.rows_per_second)
    if work.progress is None or len(work.keys) != 1:
        return Account(), None, None
    seconds = work.progress.seconds
    return work.progress.account, seconds, round(work.own_rows / seconds, 1) if seconds >= _LEAST_SECONDS else None


def _model(entry: PlanEntry | None, key: str) -> str:
    match entry.models if entry else None:
        case OneModel(model):
            return model.version
        case ChampionAndChallenger() as both:
            return both.named
        case ModelPerPartition(choices) if key in choices:
            chosen = choices[key]
            version = chosen.model.version if chosen.model else ""
            return version if chosen.status == "own" else f"{version} ({chosen.note})".strip()
        case ModelByColumn(column):
            return f"by {column}"
    return ""


def _task(work: ScoringWork, failures: Failures) -> JsonObject:
    task, label = work.task, work.entry.label if work.entry else ""
    if task is None:
        nothing = {"state": None, "try_number": 0, "max_tries": 0, "worker": None, "started": None, "ended": None}
        return {"task_id": "", "map_index": -1, "label": label, **nothing, "failure": None}
    return {
        "task_id": task.task_id,
        "map_index": task.map_index,
        "label": label or task.label or task.name,
        "state": task.state,
        "try_number": task.try_number,
        "max_tries": task.tries,
        "worker": task.worker,
        "started": iso(task.started),
        "ended": iso(task.ended),
        "failure": failures.of.get(task.instance),
    }


def scoring_works(records: RunRecords, entries: Mapping[tuple[str, int], PlanEntry]) -> list[ScoringWork]:
    """Scoring tasks in the order of the plan; then those of which no entry is known.

    Args:
        entries: as `matched_entries` finds them.
    """
    planned = {id(entry): at for at, entry in enumerate(entry for entries in records.plans for entry in entries)}
    works = [
        ScoringWork(task, entries.get(task.instance), records.scored.get(task.instance), records.progress_of(task))
        for task in records.of_kind("score")
    ]
    taken = {id(entry) for entry in entries.values()}
    works += [
        ScoringWork(None, entry, None, None)
        for entries_of_plan in records.plans
        for entry in entries_of_plan
        if id(entry) not in taken
    ]
    return sorted(works, key=lambda work: planned[id(work.entry)] if work.entry else len(planned))


def count_states(table: PartitionTable) -> dict[str, int]:
    """State -> number of partitions, with those of which there is none."""
    counts = Counter(table.state)
    return {state: counts[state] for state in get_args(PartitionState)}
