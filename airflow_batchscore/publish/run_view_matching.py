"""Which entry of the plan each scoring task scores.

Airflow keeps what a mapped task is expanded over, and its label only while it is well: a killed task loses it. So a
task without a label takes the entry at its place in the plan, or among the entries of one kind of worker
(``resources_for``), where the tasks that have labels confirm that this is what they were expanded over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.publish.run_view_records import Instance, RunRecords, TaskRecord


def matched_entries(records: RunRecords) -> dict[Instance, PlanEntry]:
    """The entry of each scoring task of which it is known."""
    tasks: dict[str, list[TaskRecord]] = {}
    for task in records.of_kind("score"):
        tasks.setdefault(task.task_id, []).append(task)
    labels = {task.instance: label for task in records.of_kind("score") if (label := _own_label(records, task))}
    found: dict[Instance, PlanEntry] = {}
    free = [list(entries) for entries in records.plans]
    for task_id, instances in tasks.items():
        plans = [free[place] for place in records.planned_by.get(task_id, range(len(free)))]
        group = next((group for group in _groups(plans) if _fits(instances, group, labels)), [])
        if group:
            chosen = {task.instance: entry for task, entry in zip(instances, group, strict=True)}
        else:
            by_label = {entry.label: entry for entries in plans for entry in entries}
            known = {task.instance: by_label.get(labels.get(task.instance, "")) for task in instances}
            chosen = {instance: entry for instance, entry in known.items() if entry is not None}
        found |= chosen
        taken = {id(entry) for entry in chosen.values()}
        free = [[entry for entry in entries if id(entry) not in taken] for entries in free]
    return found


def _own_label(records: RunRecords, task: TaskRecord) -> str | None:
    scored = records.scored.get(task.instance)
    return scored.label if scored else task.label


def _groups(plans: Sequence[Sequence[PlanEntry]]) -> Iterator[Sequence[PlanEntry]]:
    for entries in plans:
        yield entries
        for resources in dict.fromkeys(entry.resources for entry in entries):
            yield [entry for entry in entries if entry.resources == resources]


def _fits(tasks: Sequence[TaskRecord], entries: Sequence[PlanEntry], labels: Mapping[Instance, str]) -> bool:
    """Whether the tasks can have been expanded over these entries, in order."""
    return len(tasks) == len(entries) and all(
        labels.get(task.instance, entry.label) == entry.label for task, entry in zip(tasks, entries, strict=True)
    )
