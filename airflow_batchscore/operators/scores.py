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
from airflow_batchscore.scoring.audit import read_manifests
from airflow_batchscore.scoring.manifest import Manifest


def planned_partitions(plan: Any) -> list[Values]:
    """Field values of every partition of a plan."""
    packs = full([entry["partitions"] for entry in _items(plan)])
    return [values for pack in packs for values in pack]


def score_items(scores: Any) -> list[dict[str, Any]]:
    """The outputs of mapped scoring tasks, or of a check of them, as XCom has them.

    Raises:
        GateError: it is something else.
    """
    scores = as_mapping(scores)
    if isinstance(scores, Mapping):
        scores = scores.get("scores", [scores])
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
    shorts = [short for some in full([item.get("manifests", [item]) for item in items]) for short in some]
    if not shorts:
        raise GateError("no scoring task gave a manifest: see the logs of the scoring tasks")
    _require_own(shorts, run)
    known_as = connect(shorts[0]["manifest"], conn_id)
    manifests = read_manifests([short["manifest"] for short in shorts], known_as, [short["digest"] for short in shorts])
    for uri, model_conn_id in {(m.model["uri"], m.model["conn_id"]) for m in manifests if m.model}:
        connect(uri, model_conn_id)
    return shorts, manifests


def _require_own(shorts: Sequence[Mapping[str, Any]], run: str) -> None:
    """Raises GateError unless this run's scoring tasks returned all of them, and each partition once."""
    for short in shorts:
        lacks = [name for name in ("partition", "manifest", "digest", "run", "generation") if name not in short]
        if lacks:
            raise GateError(
                f"scores: {short.get('partition', short)} lacks {', '.join(lacks)}, so that nobody can tell what was "
                "scored and when. Give what ScorePartitionOperator or CheckScoresOperator returned in this run"
            )
        if short["run"] != run:
            raise GateError(
                f"scores: {partition_key(short['partition'])} was returned by the run {short['run']}, this is {run}. "
                "Give the output of this run's own tasks; what another run scored already is found and reused"
            )
    twice = [key for key, count in Counter(partition_key(short["partition"]) for short in shorts).items() if count > 1]
    if twice:
        raise GateError(f"scores: {', '.join(twice[:20])} more than once; give each scoring task's output once")


def _items(sequence: Sequence[Any]) -> list[Any]:
    try:
        return list(sequence[:])  # of mapped XComs in one request; iterating them is one an item
    except TypeError:  # joined ones (`small.output.concat(big.output)`) know no slices
        return list(sequence)
