"""What the run report draws: distributions of scores against the training data, and the learning curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.model.training_record import LearningCurve
from airflow_batchscore.publish.distribution import distribution
from airflow_batchscore.quality.drift import population_stability_index
from airflow_batchscore.quality.profile import Counts, Profile, ReferenceProfile
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
class Plot:
    """The scores in an output column; see `Distribution`.

    Attributes:
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


def plots(manifests: Sequence[Manifest], reference: ReferenceProfile) -> list[Plot]:
    """Those of the first output columns that were counted in training, too."""
    each = {manifest.key: manifest.profiles()[1] for manifest in manifests}
    trained = reference.written(manifests[0].outputs)
    columns = [name for name in trained.bins if any(sum(counts.get(name, [])) for counts in each.values())]
    return [_plot(name, trained, each) for name in columns[:_MOST_COLUMNS]]


def _plot(column: str, trained: Profile, each: Mapping[str, Counts]) -> Plot:
    counted = {key: counts[column] for key, counts in each.items() if sum(counts.get(column, []))}
    training = trained.counts[column]
    found = distribution(trained.bins[column], training, list(counted.values()))
    drifts = {key: population_stability_index(training, counts) for key, counts in counted.items()}
    worst = set(sorted(drifts, key=lambda key: -drifts[key])[:_MOST_PARTITIONS])
    return Plot(
        column=column,
        labels=found.labels,
        training=found.training,
        scored=found.scored,
        drift=found.drift,
        partitions=[
            Shares(key, shares, drifts[key]) for key, shares in zip(counted, found.each, strict=True) if key in worst
        ],
        of=len(each),
    )


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
