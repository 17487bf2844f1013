"""The list of scoring runs: a page of it costs the same few queries whatever the number of runs and tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.errors import InputError
from airflow_batchscore.plugin.recent_runs import (
    Dags,
    RecentRun,
    RunCache,
    as_many_as_fit,
    count_runs,
    count_scoring_tasks,
    dags_with_runs,
    recent_runs,
    returned_in,
    scoring_seconds,
)
from airflow_batchscore.plugin.xcoms import Returned
from airflow_batchscore.publish.published import PublishedRun
from airflow_batchscore.publish.run_totals import NOTHING, RunTotals, models_named
from airflow_batchscore.publish.run_view_records import iso

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PAGE_SIZE = 25


@dataclass(frozen=True)
class _Facts:
    """What a row of the list shows, besides what Airflow knows of the run; None where there is nothing (yet)."""

    model: str | None
    totals: RunTotals | None
    seconds: float | None


_kept: RunCache[_Facts] = RunCache(5_000)
_NOTHING = _Facts(None, None, None)


def run_list(session: Session, dags: Dags, *, dag_id: str | None, state: str | None, page: int) -> JsonObject:
    """A page of the runs of these DAGs, newest first; see ``RunsView`` in types.ts.

    Args:
        dag_id, state: only these; None for all.
        page: from 1.
    """
    scoring = {name: tasks for name, tasks in dags.items() if any(task.kind == "score" for task in tasks)}
    chosen = [name for name in scoring if dag_id in (None, name)]
    runs = recent_runs(session, chosen, PAGE_SIZE, skip=(page - 1) * PAGE_SIZE, state=state)
    facts = _kept.of(runs, lambda new: _facts(session, new, scoring))
    return {
        "runs": [_row(run, facts.get(run, _NOTHING)) for run in runs],
        "total": count_runs(session, chosen, state),
        "page": page,
        "page_size": PAGE_SIZE,
        "dags": dags_with_runs(session, scoring),
    }


def _row(run: RecentRun, facts: _Facts) -> JsonObject:
    totals = facts.totals.shown(facts.seconds) if facts.totals else NOTHING
    return {**run.to_dict(), "ended": iso(run.ended), "model": facts.model, **totals}


def _facts(session: Session, runs: list[RecentRun], dags: Dags) -> dict[RecentRun, _Facts]:
    """Without the runs that do not fit."""
    if not runs:
        return {}
    models: dict[RecentRun, set[str]] = {run: set() for run in runs}
    for run, _, plan in returned_in(session, runs, dags, "plan", part=0):
        entry = plan.unsealed_or_none("plan")  # each is sealed on its own
        name = models_named(entry["models"]) if entry else None
        models[run] |= {name} if name else set()
    totals: dict[RecentRun, RunTotals] = {}
    for run, _, value in returned_in(session, runs, dags, "check_scores", part="totals"):
        sealed = value.unsealed_or_none("totals")
        _add(totals, run, RunTotals.from_dict(sealed) if sealed else None)
    unchecked = [run for run in runs if run not in totals]
    for run, _, value in returned_in(session, unchecked, dags, "combine"):
        _add(totals, run, _of_publication(value))
    seconds = scoring_seconds(session, runs, dags)
    rest = [run for run in unchecked if run not in totals]
    fitting = as_many_as_fit(rest, count_scoring_tasks(session, rest, dags))
    for run, _, value in returned_in(session, fitting, dags, "score"):
        sealed = value.unsealed_or_none("scores")
        _add(totals, run, RunTotals.of_score(sealed) if sealed else None)
    left_out = set(rest) - set(fitting)
    return {
        run: _Facts(", ".join(sorted(models[run])) or None, totals.get(run), seconds.get(run))
        for run in runs
        if run not in left_out
    }


def _add(totals: dict[RecentRun, RunTotals], run: RecentRun, more: RunTotals | None) -> None:
    if more is not None:
        totals[run] = totals[run] + more if run in totals else more


def _of_publication(value: Returned) -> RunTotals | None:
    sealed = value.unsealed_or_none("publication")
    try:
        return RunTotals.of_publication(PublishedRun.from_dict(sealed)) if sealed else None
    except InputError:  # of another version of this package
        return None
