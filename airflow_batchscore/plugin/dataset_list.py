"""The data sets that runs have scored: what was planned is in the plans, what was scored in the tasks' answers.

All of it is sealed. What a plan keeps in files is read in the background.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from airflow_batchscore.data.json_types import Json, JsonMapping, JsonObject
from airflow_batchscore.errors import InputError
from airflow_batchscore.operators.stored_lists import full, references
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plugin.reads import At, Reads, pool
from airflow_batchscore.plugin.recent_runs import (
    Dags,
    RecentRun,
    RunCache,
    as_many_as_fit,
    count_scoring_tasks,
    recent_runs,
    returned_in,
)
from airflow_batchscore.plugin.scoring_dags import ScoringDagTask
from airflow_batchscore.plugin.xcoms import Returned
from airflow_batchscore.publish.dataset_history import (
    MOST_PARTITIONS,
    MOST_RUNS,
    GridRun,
    Stage,
    dataset_history,
    order_of,
    together,
    versions_of,
)
from airflow_batchscore.publish.run_view_records import iso

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

#: Runs of all DAGs together that are looked at.
_MOST_RUNS = 100
#: How long the list waits for the files of plans, for all of them together.
_SECONDS = 5.0


@dataclass(frozen=True)
class _Plan:
    """What a task planned.

    Attributes:
        dataset: URI, with its templates rendered.
        planned: label of an entry -> partition key -> model version.
        order: partition key -> what to sort it by.
    """

    dataset: str
    planned: Mapping[str, Mapping[str, str]]
    order: Mapping[str, Json]


@dataclass(frozen=True)
class _Facts:
    """What a run planned, and what its scoring tasks returned.

    Attributes:
        plans: of each task that planned.
        scored: scoring task -> labels of the entries that it scored.
    """

    plans: Mapping[ScoringDagTask, _Plan]
    scored: Mapping[ScoringDagTask, Set[str]]


_kept: RunCache[_Facts] = RunCache(300)
_plans: Reads[_Plan] = Reads(most=300, threads=pool("plans"))


def dataset_list(session: Session, dags: Dags) -> list[JsonObject]:
    """Each data set's grid, the one that was scored last first; see ``DatasetHistory`` in types.ts.

    Without the runs whose plan cannot be read now. Closes the session before storage is read: it may hang, and must not
    hold a connection to the database.
    """
    scoring = [dag_id for dag_id, tasks in dags.items() if any(task.kind == "score" for task in tasks)]
    runs = recent_runs(session, scoring, _MOST_RUNS)
    facts = _kept.of(runs, lambda new: _facts(session, new, dags))
    grids: dict[str, list[GridRun]] = {}
    for run in runs:
        for uri, part in _by_dataset(run, facts[run]).items() if run in facts else ():
            if len(grids.setdefault(uri, [])) < MOST_RUNS:
                grids[uri].append(part)
    return [dataset_history(uri, each[::-1]) for uri, each in grids.items()]


def _by_dataset(run: RecentRun, facts: _Facts) -> dict[str, GridRun]:
    """The run's part in each data set."""
    stages: dict[str, list[Stage]] = {}
    for uri, stage in _stages(facts):
        stages.setdefault(uri, []).append(stage)
    order = {key: place for plan in facts.plans.values() for key, place in plan.order.items()}
    parts = {}
    for uri, several in stages.items():
        stage = together(several)
        parts[uri] = GridRun(
            dag_id=run.dag_id,
            run_id=run.run_id,
            started=iso(run.started),
            state=run.state,
            has_ended=run.is_over,
            planned=stage.planned,
            order={key: order[key] for key in stage.planned},
            scored=stage.scored,
        )
    return parts


def _stages(facts: _Facts) -> Iterator[tuple[str, Stage]]:
    """Each plan with the scoring tasks that it feeds, for each data set that they score.

    What no task has scored (yet) counts in all of them; most plans have one.
    """
    for task, plan in facts.plans.items():
        uris = {score: _uri(score, task, plan) for score in facts.scored if score.task_id in task.downstream}
        for uri in dict.fromkeys(uris.values()):
            own, others = (
                {label for score, of in uris.items() if (of == uri) is wanted for label in facts.scored[score]}
                for wanted in (True, False)
            )
            planned = {label: keys for label, keys in plan.planned.items() if label in own or label not in others}
            versions = {key: version for keys in planned.values() for key, version in keys.items()}
            if versions:
                yield uri, Stage(versions, {key for label in own for key in planned.get(label, ())})


def _uri(score: ScoringDagTask, plan_task: ScoringDagTask, plan: _Plan) -> str:
    """What was planned, unless the DAG's author gave the scoring task another data set."""
    return plan.dataset if score.dataset in (None, plan_task.dataset) else score.dataset


def _facts(session: Session, runs: list[RecentRun], dags: Dags) -> dict[RecentRun, _Facts]:
    """Without the runs that do not fit, and those whose plan cannot be read now. Closes the session."""
    if not runs:
        return {}
    fitting = as_many_as_fit(runs, count_scoring_tasks(session, runs, dags))
    plans: dict[RecentRun, dict[ScoringDagTask, _Plan]] = {run: {} for run in fitting}
    files: dict[Hashable, At[_Plan]] = {}
    of: dict[Hashable, tuple[RecentRun, ScoringDagTask]] = {}
    for run, task, plan in returned_in(session, fitting, dags, "plan"):
        entries = _last_entries(plan)
        lists = [file for entry in entries for file in references(entry)]
        if lists:
            name: Hashable = (run.number, task.task_id, tuple(file.digest for file in lists))
            files[name], of[name] = At(lists[0].location, partial(_plan_of, run.name, entries)), (run, task)
        else:
            plans[run][task] = _plan_of(run.name, entries)
    scored = _scored(session, fitting, dags)
    session.close()
    read, errors = _plans.get_all(files, _SECONDS)
    for name, found in read.items():
        run, task = of[name]
        plans[run][task] = found
    for name, error in errors.items():
        run, _ = of[name]
        log.warning("%s: its plan cannot be shown: %s", run.name, error)
        plans.pop(run, None)
    return {run: _Facts(several, scored[run]) for run, several in plans.items()}


def _scored(session: Session, runs: list[RecentRun], dags: Dags) -> dict[RecentRun, dict[ScoringDagTask, set[str]]]:
    """Scoring task -> labels of the entries that it scored, for each run."""
    scored = {run: {task: set[str]() for task in dags[run.dag_id] if task.kind == "score"} for run in runs}
    for run, _, check in returned_in(session, runs, dags, "check_scores"):  # one seal, where their own are many
        for score in (check.unsealed_or_none("audit") or {}).get("scores", ()):
            scorer = next((task for task in scored[run] if task.task_id == score["task"][0]), None)
            if scorer is not None:
                scored[run][scorer].add(score["label"])
    rest = [run for run in runs if not all(scored[run].values())]
    for run, task, value in returned_in(session, rest, dags, "score"):
        if sealed := value.unsealed_or_none("scores"):
            scored[run][task].add(sealed["label"])
    return scored


def _last_entries(plan: Returned) -> list[JsonObject]:
    """As many of the plan's entries as the grid has partitions, unsealed; their long lists are in files."""
    chosen, partitions = list[JsonObject](), 0
    for item in reversed(plan.value if isinstance(plan.value, list) else []):
        entry = plan._replace(value=item).unsealed_or_none("plan")
        if entry is None or partitions >= MOST_PARTITIONS:
            break
        listed = entry["partitions"]
        partitions += len(listed) if isinstance(listed, list) else listed["items"]
        chosen.append(entry)
    return chosen[::-1]


def _plan_of(run: str, entries: Sequence[JsonMapping]) -> _Plan:
    """Reads the files of the entries. What another version of this package planned is nothing."""
    filled = full(entries)
    try:
        whole = [PlanEntry.from_dict(entry) for entry in filled]
    except InputError as error:
        log.info("%s: its plan is not shown: %s", run, error)
        whole = []
    return _Plan(
        dataset=whole[0].dataset if whole else "",
        planned={entry.label: versions_of(entry) for entry in whole},
        order={key: place for entry in whole for key, place in order_of(entry).items()},
    )
