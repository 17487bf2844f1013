"""Takes the state of a run from what its plan and its scoring tasks returned through XCom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_batchscore.connections import connect
from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import Json, JsonMapping
from airflow_batchscore.data.pattern import Values
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import GateError, InputError
from airflow_batchscore.operators.base import as_mapping
from airflow_batchscore.operators.stored_lists import full
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.publish.state import (
    RunChallenge,
    RunState,
    current_tasks,
    planned_partitions,
    scored_partitions,
)
from airflow_batchscore.publish.verdict import CheckedScores, KeptVerdict
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.scored import ScoredTask

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.operators.check_scores import CheckScoresOperator
    from airflow_batchscore.operators.combine import CombineOperator


def read_plan(operator: CheckScoresOperator | CombineOperator, context: Context) -> tuple[list[Values], list[str]]:
    """Field values of every partition of the plan that `operator` was given, and what the plan found unusual.

    Raises:
        GateError: the plan was altered or is incomplete.
    """
    if isinstance(operator.plan, str):
        raise GateError(
            f"plan={operator.plan[:100]!r}: give the output of PlanPartitionsOperator itself, not a template"
        )
    given = _items(operator.plan)
    taken = full([operator.taken(item, "plan", context, "plan") for item in given])
    entries = [PlanEntry.from_dict(entry) for entry in taken]
    return planned_partitions(entries), [text for entry in entries for text in entry.notices]


def score_items(
    operator: CheckScoresOperator | CombineOperator, context: Context, *, audited: bool = False
) -> Sequence[JsonMapping]:
    """What the mapped scoring tasks returned and `operator` received, or what a check passed: `ScoredTask` as JSON.

    Args:
        audited: accept only the output of a check.

    Raises:
        GateError: it is something else, or was altered.
    """
    scores = as_mapping(operator.scores)
    if audited or (isinstance(scores, Mapping) and "verdict" in scores):
        return CheckedScores.from_dict(operator.taken(scores, "audit", context, "scores")).scores
    if isinstance(scores, Mapping):
        scores = [scores]
    if not isinstance(scores, Sequence) or isinstance(scores, str):
        raise GateError(f"scores={scores!r}: give the output of ScorePartitionOperator or CheckScoresOperator")
    return [operator.taken(item, "scores", context, "scores") for item in _items(scores)]


def read_scores(
    items: Sequence[JsonMapping], conn_id: str | None, planned: Sequence[Values] | None = None
) -> tuple[list[JsonMapping], RunState]:
    """What the scoring tasks of the run committed; the connections of its models are usable afterwards.

    Args:
        items: as `score_items` returns them.
        planned: partitions of the plan, if there is one.

    Returns:
        The items that count, and what is in them.

    Raises:
        GateError: there is no partition, a manifest is gone or was altered, or a partition appears twice.
    """
    tasks = [ScoredTask.from_dict(item) for item in full(items)]
    chosen = current_tasks([str(item["task"][0]) for item in items], tasks, planned)
    scored = scored_partitions([tasks[place] for place in chosen])
    state = RunState.read(scored, connect(Location(scored[0].manifest, conn_id)).conn_id)
    reached = {place: _reached(place, scored[0].manifest, conn_id) for place in _models(state.manifests)}
    manifests = [
        replace(m, model=replace(m.model, conn_id=reached[m.model.location].conn_id)) if m.model else m
        for m in state.manifests
    ]
    return [items[place] for place in chosen], replace(state, manifests=manifests)


def _models(manifests: Sequence[Manifest]) -> set[Location]:
    return {manifest.model.location for manifest in manifests if manifest.model}


def _reached(model: Location, scores: str, conn_id: str | None) -> Location:
    """A model that a manifest names.

    Scores that were committed by hand name no connection, or one that is not Airflow's: their model is reached as the
    scores are, if it is in the same kind of storage.
    """
    alike = storage.split_scheme(model.uri)[0] == storage.split_scheme(scores)[0]
    instead = Location(model.uri, conn_id if alike else None)
    try:
        return connect(instead if model.conn_id is None else model)
    except InputError:
        return connect(instead)


def read_challenge(items: Sequence[JsonMapping], state: RunState) -> RunChallenge | None:
    """What the challenger of the run committed; None if the run has none.

    Args:
        items, state: as `read_scores` returns them.

    Raises:
        GateError: a manifest is gone or was altered, or the tasks had different challengers.
    """
    if not any("challenge" in item for item in items):
        return None
    return RunChallenge.read([ScoredTask.from_dict(item) for item in full(items)], state.manifests[0].conn_id)


def passed_audit(operator: CombineOperator, context: Context) -> KeptVerdict | None:
    """What the audit of the scores checked, for people; None without one, or if its verdict is gone or damaged."""
    scores = as_mapping(operator.scores)
    if not isinstance(scores, Mapping) or "verdict" not in scores:
        return None
    verdict = CheckedScores.from_dict(operator.taken(scores, "audit", context, "scores")).verdict
    try:
        value = storage.read_json(connect(Location(verdict, operator.scores_conn_id or operator.conn_id)))
    except InputError:
        return None
    return KeptVerdict.of(value)


def _items(sequence: Sequence[object]) -> list[Json]:
    if not isinstance(sequence, Sequence) or isinstance(sequence, str):
        raise GateError(f"{str(sequence)[:100]!r} is no list of what mapped tasks returned; hand it on as it is")
    try:
        return list(sequence[:])  # fetches mapped XComs in one request; iterating takes one per item
    except TypeError:  # joined ones (`small.output.concat(big.output)`) cannot be sliced
        return list(sequence)
