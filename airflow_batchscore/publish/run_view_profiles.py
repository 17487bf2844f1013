"""Distributions of what a run scored against the model's training data, for its page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.publish.distribution import Distribution, distribution
from airflow_batchscore.quality.profile import ReferenceProfile
from airflow_batchscore.scoring.manifest import Manifest

T = TypeVar("T")

#: Of very many features, those with the most drift.
_MOST_COLUMNS = 60


def profiles_view(manifests: Sequence[Manifest], reference: ReferenceProfile | None, committed: int) -> JsonObject:
    """``ProfilesView`` of the pages.

    Args:
        manifests: of the partitions to look at; of one model.
        reference: of that model; None if there is not one model for all.
        committed: number of partitions that the run has committed.
    """
    if not manifests:
        return no_profiles(0, committed, "no partition is committed yet")
    if reference is None:
        return no_profiles(len(manifests), committed, _why_none(manifests))
    profiles = [manifest.profiles() for manifest in manifests]
    sides = [
        (reference.features, [features for features, _ in profiles], True),
        (reference.written(manifests[0].outputs), [predictions for _, predictions in profiles], False),
    ]
    columns: list[JsonObject] = []
    for trained, counts, is_feature in sides:
        for name in (name for name in trained.bins if any(name in each for each in counts)):
            found = distribution(trained.bins[name], trained.counts[name], [each.get(name, []) for each in counts])
            columns.append(_column(name, found, is_feature))
    columns.sort(key=lambda column: (column["is_feature"], -1.0 if column["drift"] is None else -column["drift"]))
    problem = None if columns else "the model keeps no profile of its training data"
    return {**no_profiles(len(manifests), committed, problem), "columns": columns[:_MOST_COLUMNS]}


def no_profiles(looked_at: int, committed: int, problem: str | None) -> JsonObject:
    """``ProfilesView`` of a run of which there is nothing to compare."""
    return {"columns": [], "looked_at": looked_at, "committed": committed, "incomplete": False, "problem": problem}


def _why_none(manifests: Sequence[Manifest]) -> str:
    if any(manifest.is_function for manifest in manifests):
        return "a function made the scores, which has no training data to compare with"
    return "the rows were scored with several models, each with training data of its own; see the drift per partition"


def _column(name: str, found: Distribution, is_feature: bool) -> JsonObject:
    return {
        "column": name,
        "is_feature": is_feature,
        "labels": found.labels,
        "training": _rounded(found.training),
        "scored": _rounded(found.scored),
        "drift": round(found.drift, 4) if math.isfinite(found.drift) else None,
    }


def _rounded(shares: Sequence[float]) -> list[float]:
    return [round(share, 5) for share in shares]


def sample(items: Sequence[T], most: int) -> list[T]:
    """Evenly spaced items, at most as many, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(at * (len(items) - 1) / (most - 1))] for at in range(most)]
