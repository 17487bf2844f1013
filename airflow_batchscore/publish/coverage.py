"""Which rows of a run had no model of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_batchscore.scoring.manifest import Manifest


@dataclass(frozen=True)
class Coverage:
    """How much of a run was scored by own models, if each partition or column value has one.

    Attributes:
        own: number of partitions that have their own model.
        uncovered: what lacks its own model, such as ``"sensor_id=17: missing, skipped"`` -> its number of rows.
    """

    own: int
    uncovered: Mapping[str, int]


def scored_coverage(manifests: Sequence[Manifest]) -> Coverage | None:
    """The coverage of a run; None if one model scored everything."""
    if all(manifest.choice is None and not manifest.uncovered for manifest in manifests):
        return None
    uncovered: Counter[str] = Counter()
    for manifest in manifests:
        if manifest.choice and manifest.choice.status == "fallback":
            uncovered[f"{manifest.key}: {manifest.choice.note}"] += manifest.account.rows_read
        else:
            uncovered.update(manifest.uncovered)
    own = sum(manifest.choice is None or manifest.choice.status == "own" for manifest in manifests)
    return Coverage(own, dict(uncovered))
