"""What the plan and the scoring tasks hand on through XCom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.connections import connect
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.errors import GateError
from airflow_batchscore.operators.base import as_mapping
from airflow_batchscore.operators.lists import full
from airflow_batchscore.scoring.audit import read_manifests
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.operators.check_scores import CheckScoresOperator
    from airflow_batchscore.operators.combine import CombineOperator


def planned_partitions(operator: CheckScoresOperator | CombineOperator, context: Context) -> list[Values]:
    """Field values of every partition of the plan that `operator` was given.

    Raises:
        GateError: the plan was altered, or is not whole.
    """
    if isinstance(operator.plan, str):
        raise GateError(
            f"plan={operator.plan[:100]!r}: give the output of PlanPartitionsOperator itself, not a template"
        )
    given = _items(operator.plan)
    entries = [operator.taken(entry, "plan", context, "plan") for entry in given]
    if not entries:
        raise GateError("plan: there is no entry; give the output of PlanPartitionsOperator as it is")
    there = Counter((entry["generation"], *entry["place"]) for entry in entries)
    generation, (_, count) = entries[0]["generation"], entries[0]["place"]
    if there != Counter((generation, place, count) for place in range(count)):
        raise GateError(
            f"plan: {len(entries)} entries were handed on, and these are not the {count} that were planned, each once. "
            "Give the output of PlanPartitionsOperator as it is"
        )
    packs = full([entry["partitions"] for entry in entries])
    return [values for pack in packs for values in pack]


def score_items(
    operator: CheckScoresOperator | CombineOperator, context: Context, *, audited: bool = False
) -> list[dict[str, Any]]:
    """The outputs of the mapped scoring tasks that `operator` was given, or of those that a check of them passed.

    Args:
        audited: nothing but the output of a check will do.

    Raises:
        GateError: it is something else, or was altered.
    """
    scores = as_mapping(operator.scores)
    if audited or (isinstance(scores, Mapping) and "verdict" in scores):
        passed: list[dict[str, Any]] = operator.taken(scores, "audit", context, "scores")["scores"]
        return passed
    if isinstance(scores, Mapping):
        scores = [scores]
    if not isinstance(scores, Sequence) or isinstance(scores, str):
        raise GateError(f"scores={scores!r}: give the output of ScorePartitionOperator or CheckScoresOperator")
    return [operator.taken(item, "scores", context, "scores") for item in _items(scores)]


def read_scores(items: Sequence[Mapping[str, Any]], conn_id: str | None) -> tuple[list[dict[str, Any]], list[Manifest]]:
    """The short forms of all partitions, and their manifests from storage.

    Raises:
        GateError: there is none, one is gone or was altered, or comes twice.
    """
    shorts = [short for some in full([item["manifests"] for item in items]) for short in some]
    if not shorts:
        raise GateError("no scoring task gave a manifest: see the logs of the scoring tasks")
    twice = [key for key, count in Counter(partition_key(short["partition"]) for short in shorts).items() if count > 1]
    if twice:
        raise GateError(f"scores: {', '.join(twice[:20])} more than once; give each scoring task's output once")
    known_as = connect(shorts[0]["manifest"], conn_id)
    manifests = read_manifests([short["manifest"] for short in shorts], known_as, [short["digest"] for short in shorts])
    for uri, model_conn_id in {(m.model["uri"], m.model["conn_id"]) for m in manifests if m.model}:
        connect(uri, model_conn_id)
    return shorts, manifests


def _items(sequence: Sequence[Any]) -> list[Any]:
    if not isinstance(sequence, Sequence) or isinstance(sequence, str):
        raise GateError(f"{str(sequence)[:100]!r} is no list of what mapped tasks returned; hand it on as it is")
    try:
        return list(sequence[:])  # of mapped XComs in one request; iterating them is one an item
    except TypeError:  # joined ones (`small.output.concat(big.output)`) know no slices
        return list(sequence)
