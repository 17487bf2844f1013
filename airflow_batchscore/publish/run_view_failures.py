"""Why tasks failed, for the page of a run: what they said, what their silence means, and who waits for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.publish.progress import Failure
from airflow_batchscore.publish.run_view_records import Instance, RunRecords, TaskRecord

How = Literal["error", "killed", "upstream"]
#: Of the tasks that failed alike, those that are named.
_NAMED = 20
_ENDED_BADLY = ("failed", "up_for_retry")

_KILLED = (
    "The task's process ended without a word: it was killed, often because memory ran out (exit by SIGKILL), its "
    "worker was lost, or somebody marked the task as failed. "
)
_GO_ON: dict[str, str] = {
    "score": "Finished blocks are kept; clear the task to go on from there. If it happens again, give the worker more "
    "memory, or the task smaller blocks (block_rows) or LocalDask(memory_limit=...).",
    "combine": "What was published before is untouched; clear the task to publish again.",
}
_CLEAR = "Clear the task to run it again; if it happens again, give the worker more memory."
_UNTOLD = "The task's log says why: this Airflow is older than 3.3, and keeps no reasons for this page. "
_FIX = "Fix the cause, and clear the task: what is finished is kept."
_NEVER_BEGAN = (
    "Airflow failed the task before it began to work: its worker could not start it, or it waited in the queue for too "
    "long. Look at the scheduler's and the worker's logs, and clear the task."
)
_WAITED = (
    "The sensor failed: it may have waited for longer than its timeout, and its log says what was missing. Clear the "
    "task once the data is there."
)


@dataclass
class FailureView:
    """Tasks that failed alike; ``FailureView`` of the pages.

    Attributes:
        how: ``"killed"``: without a word; ``"upstream"``: because of another task.
        retried: whether a retry is under way or may fix it: such failures come later.
        tasks: how many.
        where: the first of them.
    """

    kind: str
    message: str
    how: How
    retried: bool
    tasks: int = 0
    where: list[JsonObject] = field(default_factory=list)

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return {name: value for name, value in asdict(self).items() if name != "retried"}


@dataclass(frozen=True)
class Failures:
    """All of a run, worst first; `of` gives each failed task its place among them."""

    views: Sequence[FailureView]
    of: Mapping[Instance, int]


def collect_failures(records: RunRecords, labels: Mapping[Instance, str]) -> Failures:
    """Why tasks failed.

    Args:
        labels: names of scoring tasks, from the plan.
    """
    found: dict[tuple[str, str, How], FailureView] = {}
    members: dict[Instance, FailureView] = {}

    def add(task: TaskRecord, view: FailureView) -> None:
        view = found.setdefault((view.kind, view.message, view.how), view)
        view.tasks += 1
        if len(view.where) < _NAMED:
            label = labels.get(task.instance) or task.label or task.name
            where = {"task_id": task.task_id, "map_index": task.map_index, "try_number": task.try_number}
            view.where.append({**where, "label": label})
        members.setdefault(task.instance, view)

    tasks = {task.instance: task for task in records.tasks}
    for problem in records.problems:
        add(tasks[problem.instance], FailureView(problem.kind, problem.message, "error", retried=False))
    bad = [task for task in records.tasks if task.state in _ENDED_BADLY]
    for task in bad:
        add(task, _why(task, records.failures.get(task.instance), records.keeps_state))
    for task in records.tasks:
        if task.state == "upstream_failed":
            add(task, FailureView("UpstreamFailed", _because_of(bad), "upstream", retried=False))
    views = sorted(found.values(), key=lambda view: (view.how == "upstream", view.retried))
    place = {id(view): at for at, view in enumerate(views)}
    return Failures(views, {instance: place[id(view)] for instance, view in members.items()})


def _why(task: TaskRecord, failure: Failure | None, keeps_state: bool) -> FailureView:
    again = task.state == "up_for_retry"
    if failure is not None and failure.try_number == task.try_number:
        return FailureView(failure.kind, failure.message, "error", retried=failure.retried)
    if task.started is None:
        return FailureView("NeverBegan", _NEVER_BEGAN, "error", retried=again)
    if task.kind == "wait":
        return FailureView("SensorFailed", _WAITED, "error", retried=again)
    if not keeps_state:
        return FailureView("Failed", _UNTOLD + ("" if again else _FIX), "error", retried=again)
    next_step = "Airflow runs it again by itself." if again else _GO_ON.get(task.kind, _CLEAR)
    return FailureView("Killed", _KILLED + next_step, "killed", retried=again)


def _because_of(bad: Sequence[TaskRecord]) -> str:
    """Airflow does not keep which task it was; of this package's tasks, those that failed."""
    names = list(dict.fromkeys(task.task_id for task in bad if task.state == "failed"))
    cause = f"Task {', '.join(names)} failed" if names else "A task before it failed"
    return (
        f"{cause}, so this did not begin. Fix the cause, and clear the failed task with all that comes after it "
        "(downstream)."
    )
