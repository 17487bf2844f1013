"""The data sets that runs have scored: what was planned is in the plans, what was scored in the tasks' answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from airflow_batchscore.compat import task_state_table
from airflow_batchscore.data.json_types import Json, JsonMapping, JsonObject
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.operators.stored_lists import full
from airflow_batchscore.plugin.recent_runs import (
    Dags,
    Kept,
    RecentRun,
    as_many_as_fit,
    recent_runs,
    returned_in,
    scoring_times,
)
from airflow_batchscore.plugin.scoring_dags import ScoringDagTask
from airflow_batchscore.plugin.xcoms import Returned
from airflow_batchscore.publish.dataset_history import (
    MOST_PARTITIONS,
    MOST_RUNS,
    GridRun,
    dataset_history,
    order_of,
    versions_of,
)
from airflow_batchscore.publish.progress import PROGRESS_KEY
from airflow_batchscore.publish.run_view_records import iso

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

#: Runs of all DAGs together that are looked at.
_MOST_RUNS = 100


@dataclass(frozen=True)
class _Facts:
    """What a run planned, and what its scoring tasks returned.

    Attributes:
        planned: label of a plan's entry -> partition key -> model version.
        order: partition key -> what to sort it by.
        scored: scoring task -> labels of the entries that it scored.
    """

    planned: Mapping[str, Mapping[str, str]]
    order: Mapping[str, Json]
    scored: Mapping[ScoringDagTask, Set[str]]


_kept: Kept[_Facts] = Kept(300)


def dataset_list(session: Session, dags: Dags) -> list[JsonObject]:
    """Each data set's grid, the one that was scored last first; see ``DatasetHistory`` in types.ts."""
    scoring = [dag_id for dag_id, tasks in dags.items() if any(task.kind == "score" for task in tasks)]
    runs = recent_runs(session, scoring, _MOST_RUNS)
    facts = _kept.of(runs, lambda new: _facts(session, new, dags))
    rendered = _rendered_uris(session, runs)
    grids: dict[str, list[GridRun]] = {}
    for run in runs:
        for uri, part in _by_dataset(run, facts[run], rendered).items():
            if len(grids.setdefault(uri, [])) < MOST_RUNS:
                grids[uri].append(part)
    return [dataset_history(uri, each[::-1]) for uri, each in grids.items()]


def _by_dataset(run: RecentRun, facts: _Facts, rendered: Mapping[tuple[int, str], str]) -> dict[str, GridRun]:
    """The run's part in each data set. What no task has scored (yet) counts in all of them; most DAGs have one."""
    uris = {task: _uri(task, rendered.get((run.number, task.task_id))) for task in facts.scored}
    parts = {}
    for uri in dict.fromkeys(uris.values()):
        own, others = (
            {label for task, labels in facts.scored.items() if (uris[task] == uri) is wanted for label in labels}
            for wanted in (True, False)
        )
        planned = {
            key: version
            for label, versions in facts.planned.items()
            if label in own or label not in others
            for key, version in versions.items()
        }
        if planned:
            parts[uri] = GridRun(
                dag_id=run.dag_id,
                run_id=run.run_id,
                started=iso(run.started),
                state=run.state,
                has_ended=run.is_over,
                planned=planned,
                order=facts.order,
                scored={key for label in own for key in facts.planned.get(label, ())},
            )
    return parts


def _uri(task: ScoringDagTask, rendered: str | None) -> str:
    """As the DAG's author wrote it; if that is a template, as the task says that it was rendered."""
    if task.dataset and "{{" not in task.dataset and "{%" not in task.dataset:
        return task.dataset
    return rendered or task.dataset or task.task_id


def _rendered_uris(session: Session, runs: Sequence[RecentRun]) -> dict[tuple[int, str], str]:
    """Run and task -> ``Progress.dataset``, which anybody may have written: it is shown, and nothing is read there."""
    store = task_state_table()
    if store is None:
        return {}
    rows = session.execute(
        select(store.dag_run_id, store.task_id, store.value).where(
            store.dag_run_id.in_({run.number for run in runs}), store.key == PROGRESS_KEY, store.map_index <= 0
        )
    )
    found = {}
    for number, task_id, text in rows:
        with suppress(ValueError):
            value = json.loads(text)
            if isinstance(value, dict) and isinstance(value.get("dataset"), str):
                found[number, task_id] = value["dataset"]
    return found


def _facts(session: Session, runs: list[RecentRun], dags: Dags) -> dict[RecentRun, _Facts]:
    if not runs:
        return {}
    fitting = as_many_as_fit(runs, scoring_times(session, runs, dags))
    planned: dict[RecentRun, list[JsonObject]] = {run: [] for run in runs}
    for run, _, plan in returned_in(session, fitting, dags, "plan"):
        planned[run] += _entries(run, plan)
    scored = {run: {task: set[str]() for task in dags[run.dag_id] if task.kind == "score"} for run in runs}
    for run, _, check in returned_in(session, fitting, dags, "check_scores"):  # one seal, where their own are many
        for score in (check.unsealed_or_none("audit") or {}).get("scores", ()):
            scorer = next((task for task in scored[run] if task.task_id == score["task"][0]), None)
            if scorer is not None:
                scored[run][scorer].add(score["label"])
    rest = [run for run in fitting if not all(scored[run].values())]
    for run, task, value in returned_in(session, rest, dags, "score"):
        if sealed := value.unsealed_or_none("scores"):
            scored[run][task].add(sealed["label"])
    return {run: _of_entries(planned[run], scored[run]) for run in runs}


def _of_entries(entries: Sequence[JsonMapping], scored: Mapping[ScoringDagTask, Set[str]]) -> _Facts:
    planned = {entry["label"]: versions_of(entry) for entry in entries}
    order = {key: place for entry in entries for key, place in order_of(entry).items()}
    return _Facts(planned, order, scored)


def _entries(run: RecentRun, plan: Returned) -> list[JsonObject]:
    """The plan's last entries: as many as the grid has partitions."""
    chosen, partitions = list[JsonObject](), 0
    for item in reversed(plan.value if isinstance(plan.value, list) else []):
        entry = plan._replace(value=item).unsealed_or_none("plan")
        if entry is None or partitions >= MOST_PARTITIONS:
            break
        listed = entry["partitions"]
        partitions += len(listed) if isinstance(listed, list) else listed["items"]
        chosen.append(entry)
    try:
        return full(chosen[::-1])
    except (BatchScoreError, OSError) as error:
        log.warning("%s: its plan cannot be shown: %s", run.name, error)
        return []
