"""What the plan and the scoring tasks hand on through XCom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_batchscore.connections import connect
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.errors import GateError
from airflow_batchscore.operators.base import as_mapping
from airflow_batchscore.operators.lists import full
from airflow_batchscore.operators.seal import unseal
from airflow_batchscore.scoring.audit import read_manifests
from airflow_batchscore.scoring.manifest import Manifest


def planned_partitions(plan: Any, run: str) -> list[Values]:
    """Field values of every partition of a plan.

    Args:
        run: ``<dag_id>/<run_id>`` of the run that asks.

    Raises:
        GateError: the plan was altered, or is not whole.
    """
    entries = [unseal(as_mapping(entry), "plan", run) for entry in _items(as_mapping(plan))]
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


def score_items(scores: Any, run: str, *, audited: bool = False) -> list[dict[str, Any]]:
    """The outputs of mapped scoring tasks, or of a check of them, as XCom has them.

    Args:
        run: ``<dag_id>/<run_id>`` of the run that asks.
        audited: nothing but the output of a check will do.

    Raises:
        GateError: it is something else, or was altered.
    """
    scores = as_mapping(scores)
    if audited or (isinstance(scores, Mapping) and "scores" in scores):
        scores = unseal(scores, "audit", run)["scores"]
    elif isinstance(scores, Mapping):
        scores = [scores]
    if not isinstance(scores, Sequence) or isinstance(scores, str):
        raise GateError(f"scores={scores!r}: give the output of ScorePartitionOperator or CheckScoresOperator")
    return _items(scores)


def read_scores(
    items: Sequence[Mapping[str, Any]], run: str, conn_id: str | None
) -> tuple[list[dict[str, Any]], list[Manifest]]:
    """The short forms of all partitions, and their manifests from storage.

    Args:
        run: ``<dag_id>/<run_id>`` of the run that asks.

    Raises:
        GateError: there is none, one is gone or was altered, comes twice, or is another run's.
    """
    lists = full([unseal(item, "scores", run)["manifests"] for item in items])
    shorts = [short for some in lists for short in some]
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
    try:
        return list(sequence[:])  # of mapped XComs in one request; iterating them is one an item
    except TypeError:  # joined ones (`small.output.concat(big.output)`) know no slices
        return list(sequence)
