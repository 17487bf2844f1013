"""What Airflow keeps of a run, as plain records: the input of the pages (`run_view`). Free of Airflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.estimate import Estimate
from airflow_batchscore.publish.progress import Failure, GateResult, Progress
from airflow_batchscore.publish.published import PublishedRun
from airflow_batchscore.scoring.scored import ScoredTask

Kind = Literal["wait", "train", "import", "check_model", "evaluate", "plan", "score", "check_scores", "combine"]
#: Class of an operator of this package -> what its tasks do, in the order of the flow.
KINDS: dict[str, Kind] = {
    "PartitionSensor": "wait",
    "TrainOperator": "train",
    "ImportModelOperator": "import",
    "CheckModelOperator": "check_model",
    "EvaluateOperator": "evaluate",
    "PlanPartitionsOperator": "plan",
    "ScorePartitionOperator": "score",
    "CheckScoresOperator": "check_scores",
    "CombineOperator": "combine",
}
GATES: tuple[Kind, ...] = ("check_model", "evaluate", "check_scores")
#: States of tasks that have not begun, or not since they were cleared.
_NOT_BEGUN = (None, "scheduled", "queued", "upstream_failed", "removed")

#: task_id and map_index; -1 for a task that is not mapped.
Instance: TypeAlias = tuple[str, int]


@dataclass(frozen=True)
class TaskRecord:
    """A task instance of this package's operators.

    Attributes:
        state: Airflow's; None before the scheduler has looked at it.
        try_number: the present try, or the last one.
        tries: the most that Airflow makes.
        label: rendered by Airflow; None if it never was, or was lost when the process was killed.
    """

    task_id: str
    map_index: int
    kind: Kind
    state: str | None
    try_number: int
    tries: int
    worker: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    label: str | None = None

    @property
    def instance(self) -> Instance:
        return self.task_id, self.map_index

    @property
    def name(self) -> str:
        """Its name where it has no label."""
        return self.task_id if self.map_index < 0 else f"{self.task_id} [{self.map_index}]"


@dataclass(frozen=True)
class Problem:
    """Something that a task left and that cannot be used."""

    instance: Instance
    kind: str
    message: str


@dataclass(frozen=True)
class Drifts:
    """What the check of the scores measured.

    Attributes:
        worst: of any column of any partition; None if it was not measured.
        limit: of the check that measured the worst; None if there is none.
        partitions: digest of a manifest -> PSI of the column that drifted most, and that column.
    """

    worst: float | None = None
    limit: float | None = None
    partitions: Mapping[str, tuple[float, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class RunRecords:
    """A run, as Airflow's database tells it.

    Attributes:
        now: the server's clock.
        plans: entries of each plan of the run, unsealed.
        planned_by: scoring task -> places of the plans that it may have been expanded over; all, if it is not there.
        scored: what scoring tasks returned that have succeeded, unsealed.
        progress, failures, gates: from the task state store, which people can edit.
        published: what the publishing tasks returned, unsealed; of one that runs again, what an earlier try did.
        estimates: what its plans predicted, unsealed.
        keeps_state: whether this Airflow has such a store.
        is_incomplete: whether some of this is still being read from storage.
    """

    dag_id: str
    run_id: str
    state: str | None
    now: datetime
    tasks: Sequence[TaskRecord]
    plans: Sequence[Sequence[PlanEntry]] = ()
    planned_by: Mapping[str, Sequence[int]] = field(default_factory=dict)
    scored: Mapping[Instance, ScoredTask] = field(default_factory=dict)
    progress: Mapping[Instance, Progress] = field(default_factory=dict)
    failures: Mapping[Instance, Failure] = field(default_factory=dict)
    gates: Mapping[Instance, GateResult] = field(default_factory=dict)
    drifts: Drifts = field(default_factory=Drifts)
    published: Mapping[Instance, PublishedRun] = field(default_factory=dict)
    estimates: Sequence[Estimate] = ()
    keeps_state: bool = True
    problems: Sequence[Problem] = ()
    is_incomplete: bool = False

    def of_kind(self, kind: Kind) -> list[TaskRecord]:
        """Its tasks of a kind, in order."""
        return [task for task in self.tasks if task.kind == kind]

    def progress_of(self, task: TaskRecord) -> Progress | None:
        """How far the present try is; None where only an earlier one said so.

        Airflow counts a try when it schedules it: a task that was cleared still has the number of the last one.
        """
        found = self.progress.get(task.instance)
        if found is None or found.try_number != task.try_number or task.state in _NOT_BEGUN:
            return None
        return found

    def gate_of(self, task: TaskRecord) -> GateResult | None:
        """What the present try of a gate found; None if it was cleared and has not begun again."""
        return None if task.state in _NOT_BEGUN else self.gates.get(task.instance)


def iso(time: datetime | None) -> str | None:
    """ISO 8601 in UTC, as the pages receive times."""
    return time.astimezone(UTC).isoformat() if time else None
