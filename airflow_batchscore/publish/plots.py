"""What the run report draws: distributions of scores against the training data, and the learning curve."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.model.training_record import LearningCurve
from airflow_batchscore.quality.drift import population_stability_index
from airflow_batchscore.quality.profile import ColumnBins, Counts, ReferenceProfile, merge
from airflow_batchscore.scoring.manifest import Manifest

#: Output columns that are drawn: a hundred classes would be unreadable.
_MOST_COLUMNS = 4
#: Partitions that are drawn one by one.
_MOST_PARTITIONS = 24


@dataclass(frozen=True)
class Shares:
    """Share of each bin, or class, in the scores of a partition; `drift` is the PSI against the training data."""

    name: str
    shares: Sequence[float]
    drift: float


@dataclass(frozen=True)
class Distribution:
    """The scores in an output column.

    Attributes:
        labels: of the bins, or classes, that have a value anywhere.
        training, scored: share of each in the training data, and in all partitions together.
        drift: PSI between these.
        partitions: those with the most drift, in their order.
        of: number of all partitions.
    """

    column: str
    labels: Sequence[str]
    training: Sequence[float]
    scored: Sequence[float]
    drift: float
    partitions: Sequence[Shares]
    of: int

    @property
    def highest(self) -> float:
        """The largest share, which sets the scale."""
        return max([*self.training, *self.scored, *(share for one in self.partitions for share in one.shares)])


def distributions(manifests: Sequence[Manifest], reference: ReferenceProfile) -> list[Distribution]:
    """Those of the first output columns that were counted in training, too."""
    each = {manifest.key: manifest.profiles()[1] for manifest in manifests}
    scored: Counts = {}
    for counts in each.values():
        scored = merge(scored, counts)
    trained = reference.written(manifests[0].outputs)
    columns = [name for name in scored if name in trained.bins and any(scored[name])]
    return [
        _distribution(name, trained.counts[name], _labels(trained.bins[name]), each) for name in columns[:_MOST_COLUMNS]
    ]


def _distribution(column: str, training: Sequence[int], labels: Sequence[str], each: dict[str, Counts]) -> Distribution:
    counted = {key: counts[column] for key, counts in each.items() if sum(counts.get(column, []))}
    total = [sum(of_bin) for of_bin in zip(*counted.values(), strict=True)]
    used = [place for place in range(len(labels)) if training[place] or total[place]]

    def shares(counts: Sequence[int]) -> list[float]:
        return [counts[place] / sum(counts) if sum(counts) else 0.0 for place in used]

    drifts = {key: population_stability_index(training, counts) for key, counts in counted.items()}
    worst = set(sorted(drifts, key=lambda key: -drifts[key])[:_MOST_PARTITIONS])
    return Distribution(
        column=column,
        labels=[labels[place] for place in used],
        training=shares(training),
        scored=shares(total),
        drift=population_stability_index(training, total),
        partitions=[Shares(key, shares(counts), drifts[key]) for key, counts in counted.items() if key in worst],
        of=len(each),
    )


def _labels(bins: ColumnBins) -> list[str]:
    known = list(bins["values"]) if "values" in bins else _ranges(bins["edges"])
    return [*known, "other", "missing"]


def _ranges(edges: Sequence[float]) -> list[str]:
    if not edges:
        return ["all"]
    # A frequent value has a bin of its own, which ends at the next float.
    between = [
        _number(low) if high == math.nextafter(low, math.inf) else f"{_number(low)} to {_number(high)}"
        for low, high in pairwise(edges)
    ]
    return [f"below {_number(edges[0])}", *between, f"{_number(edges[-1])} and up"]


def _number(edge: float) -> str:
    """With four digits; the float next to zero is zero for people."""
    return f"{edge:.4g}" if abs(edge) >= sys.float_info.min else "0"


def curve(curve: LearningCurve) -> JsonObject:
    """The learning curve in a box of 100 by 40: points from left (no rows) to right, and its axes."""
    points = curve.points
    scores = [point.score for point in points]
    low, high = min(scores), max(scores)
    spread = (high - low) or 1.0
    places = [
        {"x": 100 * point.rows / points[-1].rows, "y": 38 - 36 * (point.score - low) / spread, **asdict(point)}
        for point in points
    ]
    return {**asdict(curve), "places": places, "low": low, "high": high}
