"""Distributions of what a run scored against the model's training data, for its page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.quality.drift import drift
from airflow_batchscore.quality.profile import ColumnBins, Counts, Profile, ReferenceProfile, merge
from airflow_batchscore.scoring.manifest import Manifest

#: Of very many features, those with the most drift.
_MOST_COLUMNS = 60


def profiles_view(manifests: Sequence[Manifest], reference: ReferenceProfile | None, committed: int) -> JsonObject:
    """``ProfilesView`` of the pages.

    Args:
        manifests: of the partitions to look at; of one model.
        reference: of that model; None if there is not one model for all.
        committed: number of partitions that the run has committed.
    """
    keys = [manifest.key for manifest in manifests]
    if not manifests:
        return no_profiles([], committed, "no partition is committed yet")
    if reference is None:
        return no_profiles(keys, committed, _why_none(manifests))
    each = [manifest.profiles() for manifest in manifests]
    sides = [
        (reference.features, [features for features, _ in each], True),
        (reference.written(manifests[0].outputs), [predictions for _, predictions in each], False),
    ]
    drifts: dict[str, float] = {}
    columns = []
    for trained, counts, is_feature in sides:
        every = _merged(counts, trained)
        measured = {name: value for name, value in drift(trained.counts, every).items() if math.isfinite(value)}
        drifts |= measured
        columns += [_column(name, trained, every, counts, is_feature) for name in every]
    shown = sorted(columns, key=lambda column: (column["is_feature"], -drifts.get(column["column"], -1.0)))
    return {
        "columns": shown[:_MOST_COLUMNS],
        "partitions": keys,
        "committed": committed,
        "drift": {name: round(value, 4) for name, value in drifts.items()},
        "problem": None if columns else "the model keeps no profile of its training data",
    }


def no_profiles(keys: Sequence[str], committed: int, problem: str) -> JsonObject:
    """``ProfilesView`` of a run of which there is nothing to compare."""
    return {"columns": [], "partitions": list(keys), "committed": committed, "drift": {}, "problem": problem}


def _why_none(manifests: Sequence[Manifest]) -> str:
    if any(manifest.is_function for manifest in manifests):
        return "a function made the scores, which has no training data to compare with"
    return "the rows were scored with several models, each with training data of its own; see the drift per partition"


def _merged(counts: Sequence[Counts], trained: Profile) -> Counts:
    """All partitions together: the columns that training knows, with its number of bins."""
    every: Counts = {}
    for each in counts:
        every = merge(every, {name: each[name] for name in each if _fits(each[name], trained.counts.get(name))})
    return every


def _fits(counts: Sequence[int], trained: Sequence[int] | None) -> bool:
    return trained is not None and len(counts) == len(trained)


def _column(name: str, trained: Profile, every: Counts, counts: Sequence[Counts], is_feature: bool) -> JsonObject:
    labels = _labels(trained.bins[name])
    used = [at for at in range(len(labels)) if trained.counts[name][at] or every[name][at]]
    return {
        "column": name,
        "is_feature": is_feature,
        "labels": [labels[at] for at in used],
        "training": _shares(trained.counts[name], used),
        "all": _shares(every[name], used),
        "each": [_shares(each.get(name, []), used) for each in counts],
    }


def _shares(counts: Sequence[int], used: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [round(counts[at] / total, 5) if total and at < len(counts) else 0.0 for at in used]


def _labels(bins: ColumnBins) -> list[str]:
    if "values" in bins:
        known = list(bins["values"])
    elif edges := bins["edges"]:
        known = [f"below {edges[0]:.4g}", *(_between(*each) for each in pairwise(edges)), f"{edges[-1]:.4g} and up"]
    else:
        known = ["all"]
    return [*known, "other", "missing"]


def _between(low: float, high: float) -> str:
    """A frequent value has a bin of its own."""
    return f"{low:.4g}" if high == math.nextafter(low, math.inf) else f"{low:.4g} to {high:.4g}"


def sample(keys: Sequence[str], most: int) -> list[str]:
    """Evenly spaced keys, at most as many, the first and the last among them."""
    if len(keys) <= most:
        return list(keys)
    return [keys[round(at * (len(keys) - 1) / (most - 1))] for at in range(most)]
