"""Short forms of manifests, as they come through XCom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_batchscore.connections import connect
from airflow_batchscore.errors import GateError
from airflow_batchscore.operators.base import as_mapping
from airflow_batchscore.scoring.audit import read_manifests
from airflow_batchscore.scoring.manifest import Manifest


def read_scores(scores: Any, conn_id: str | None) -> tuple[list[dict[str, Any]], list[Manifest]]:
    """The short forms in the outputs of mapped scoring tasks or of a check, and their manifests from storage.

    Raises:
        GateError: there is none, or a manifest is gone.
    """
    scores = as_mapping(scores)
    if isinstance(scores, Mapping):
        scores = scores.get("scores", [scores])
    if not isinstance(scores, Sequence) or isinstance(scores, str):
        raise GateError(f"scores={scores!r}: give the output of ScorePartitionOperator or CheckScoresOperator")
    shorts: list[dict[str, Any]] = []
    for item in _items(scores):
        shorts += item.get("manifests", [item])
    if not shorts:
        raise GateError("no scoring task gave a manifest: see the logs of the scoring tasks")
    known_as = connect(shorts[0]["manifest"], conn_id)
    manifests = read_manifests([short["manifest"] for short in shorts], known_as)
    for uri, model_conn_id in {(manifest.model["uri"], manifest.model["conn_id"]) for manifest in manifests}:
        connect(uri, model_conn_id)
    return shorts, manifests


def _items(scores: Sequence[Any]) -> Sequence[Any]:
    try:
        return scores[:]  # of mapped XComs in one request; iterating them is one an item
    except TypeError:  # joined ones (`small.output.concat(big.output)`) know no slices
        return scores
