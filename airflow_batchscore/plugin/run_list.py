"""The list of scoring runs: a page of it costs the same few queries whatever the number of runs and tasks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.errors import InputError
from airflow_batchscore.plugin.kept import Kept
from airflow_batchscore.plugin.run_values import (
    Dags,
    RecentRun,
    Returned,
    ScoringTime,
    as_many_as_fit,
    count_runs,
    iso,
    recent_runs,
    returned,
    scoring_times,
)
from airflow_batchscore.publish.published import PublishedRun
from airflow_batchscore.publish.run_totals import NOTHING, RunTotals, models_named
from airflow_batchscore.publish.verdict import CheckedScores

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

T = TypeVar("T")

PAGE_SIZE = 25


@dataclass(frozen=True)
class _Facts:
    """What a row of the list shows, besides what Airflow knows of the run; `totals` is None if nothing is scored."""

    model: str | None
    totals: RunTotals | None
    time: ScoringTime


_kept: Kept[_Facts] = Kept(5_000)


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
        "runs": [_row(run, facts[run]) for run in runs],
        "total": count_runs(session, chosen, state),
        "page": page,
        "page_size": PAGE_SIZE,
        "dags": sorted(scoring),
    }


def _row(run: RecentRun, facts: _Facts) -> JsonObject:
    time, seconds = facts.time, None
    if time.started:
        ended = time.ended if run.is_over else datetime.now(UTC)
        seconds = (ended - time.started).total_seconds() if ended else None
    totals = facts.totals.to_dict(seconds) if facts.totals else NOTHING
    return {**run.to_dict(), "ended": iso(run.ended), "model": facts.model, **totals}


def _facts(session: Session, runs: list[RecentRun], dags: Dags) -> dict[RecentRun, _Facts]:
    if not runs:
        return {}
    plans = returned(session, runs, dags, "plan", first=True)
    ends = returned(session, runs, dags, "check_scores", "combine")
    times = scoring_times(session, runs, dags)
    totals = {run: _summed_up(run, ends[run]) for run in runs}
    rest = [run for run in runs if totals[run] is None and run in times]
    scores = returned(session, as_many_as_fit(rest, times), dags, "score")
    for run, values in scores.items():
        sealed = [value for each in values if (value := each.opened("scores", run))]
        totals[run] = RunTotals.of_scores(sealed) if sealed else None
    nothing = ScoringTime(None, None, 0)
    return {run: _Facts(_model(run, plans[run]), totals[run], times.get(run, nothing)) for run in runs}


def _summed_up(run: RecentRun, values: Sequence[Returned]) -> RunTotals | None:
    checks = _read(run, values, "check_scores", "audit", CheckedScores.from_dict)
    if checks:
        return RunTotals.of_checks(checks)
    published = _read(run, values, "combine", "publication", PublishedRun.from_dict)
    return RunTotals.of_publications(published) if published else None


def _read(
    run: RecentRun, values: Sequence[Returned], kind: str, purpose: str, from_dict: Callable[[JsonMapping], T]
) -> list[T]:
    """Those that are sealed, and of this version of the package."""
    found = []
    for value in values:
        sealed = value.opened(purpose, run) if value.task.kind == kind else None
        if sealed is not None:
            with suppress(InputError):
                found.append(from_dict(sealed))
    return found


def _model(run: RecentRun, plans: Sequence[Returned]) -> str | None:
    """Of each plan's first entry, which is sealed on its own."""
    entries = [entry for plan in plans if (entry := plan.opened("plan", run))]
    return ", ".join(sorted({name for entry in entries if (name := models_named(entry["models"]))})) or None
