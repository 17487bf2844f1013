"""Each feature of what was scored beside the training data: of a partition, and of a whole run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.beyond import Beyond, Found
from airflow_batchscore.quality.drift import chi_square_p, jensen_shannon, population_stability_index
from airflow_batchscore.quality.profile import ReferenceProfile, by_position, merge
from airflow_batchscore.scoring.manifest import Manifest

#: Model -> the profile of its training data.
References = Mapping[ModelRef, ReferenceProfile]
#: Features times partitions whose figures a summary holds one by one.
MOST_FIGURES = 10_000
_Counts = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class FeatureFigures:
    """A feature of scored rows beside the training rows. Shares are of all rows, from 0 to 1; None was not measured.

    Attributes:
        psi: population stability index.
        jensen_shannon: distance, from 0 to 1.
        p_value: of the chi-square test that chance alone makes the difference; of classes and one model only.
        missing, missing_in_training: share without a value.
        unseen: share of a class that training did not see.
        outside: share below the lowest or above the highest value of training.
        examples: of what is unseen or outside, as text.
        sample: number of rows that were looked at.
        margin: half the width of the 95 % interval of `unseen`, or else of `outside`, for what a sample does not show.
    """

    psi: float | None
    jensen_shannon: float | None
    p_value: float | None
    missing: float | None
    missing_in_training: float | None
    unseen: float | None = None
    outside: float | None = None
    examples: Sequence[str] = ()
    sample: int | None = None
    margin: float | None = None

    @property
    def unlike(self) -> float | None:
        """Share of the rows that are unlike the training rows: `unseen`, or else `outside`."""
        return self.outside if self.unseen is None else self.unseen

    def to_dict(self) -> JsonObject:
        """Plain JSON, with four digits, which is more than a sample knows."""
        return {
            name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in asdict(self).items()
        }


@dataclass(frozen=True)
class RunFeature:
    """A feature in all that a run scored.

    Attributes:
        worst, worst_psi: the partition in which it drifted most; None if that is not known.
    """

    feature: str
    figures: FeatureFigures
    worst: str | None
    worst_psi: float | None

    def to_dict(self) -> JsonObject:
        """Plain JSON; the figures stand beside the name."""
        worst = None if self.worst_psi is None else round(self.worst_psi, 4)
        return {"feature": self.feature, **self.figures.to_dict(), "worst": self.worst, "worst_psi": worst}


@dataclass(frozen=True)
class _Side:
    """What was counted of some rows, and what training leads to expect.

    Attributes:
        classes: features that are no numbers.
        of_training: whether `expected` are the counts of one model's training rows, in their number.
    """

    found: _Counts
    expected: _Counts
    beyond: Beyond | None
    classes: Set[str]
    of_training: bool


def partition_features(manifest: Manifest, references: References) -> dict[str, FeatureFigures]:
    """Feature -> figures of a partition; empty if nothing is known of its features."""
    return _figures(_side(manifest, references))


def run_features(manifests: Sequence[Manifest], references: References) -> dict[str, FeatureFigures]:
    """Feature -> figures of all rows of some partitions.

    If they were scored with different models, each row counts in its own model's bin, first bins with first bins.
    """
    if len({manifest.model for manifest in manifests}) == 1 and manifests[0].model is not None:
        return _figures(_one_model(manifests, references[manifests[0].model]))
    found: dict[str, list[float]] = {}
    wanted: dict[str, list[float]] = {}
    for manifest in manifests:
        side = _side(manifest, references)
        pooled = {name: list(counts) for name, counts in side.found.items()}
        found = merge(found, by_position(pooled))
        wanted = merge(wanted, by_position(_scaled(side)))
    beyond = _all_beyond(manifests)
    return _figures(_Side(found, wanted, beyond, set(), of_training=False))


def feature_list(
    manifests: Sequence[Manifest], references: References, drifts: Mapping[str, Mapping[str, float]]
) -> list[RunFeature]:
    """The features of a run, those that drifted most first.

    Args:
        drifts: partition key -> column -> PSI.
    """
    figures = run_features(manifests, references)
    rows = []
    for name, found in figures.items():
        each = {key: columns[name] for key, columns in drifts.items() if math.isfinite(columns.get(name, math.nan))}
        worst = max(each, key=lambda key: each[key]) if each else None
        rows.append(RunFeature(name, found, worst, each[worst] if worst is not None else None))
    return sorted(rows, key=lambda row: -(row.figures.psi or 0.0))


def each_partition(manifests: Sequence[Manifest], references: References) -> dict[str, dict[str, FeatureFigures]]:
    """Partition key -> feature -> figures; empty for so many that the summary would become too large to read."""
    if sum(len(manifest.blocks[0].features) for manifest in manifests if manifest.blocks) > MOST_FIGURES:
        return {}
    return {manifest.key: partition_features(manifest, references) for manifest in manifests}


def _one_model(manifests: Sequence[Manifest], reference: ReferenceProfile) -> _Side:
    found: dict[str, list[int]] = {}
    for manifest in manifests:
        features, _ = manifest.profiles()
        found = merge(found, {name: counts for name, counts in features.items() if _fits(name, counts, reference)})
    classes = {name for name, spec in reference.features.bins.items() if "values" in spec}
    return _Side(found, reference.features.counts, _all_beyond(manifests), classes, of_training=True)


def _fits(name: str, counts: Sequence[float], reference: ReferenceProfile) -> bool:
    return len(counts) == len(reference.features.counts.get(name, ()))


def _all_beyond(manifests: Sequence[Manifest]) -> Beyond | None:
    each = [manifest.beyond() for manifest in manifests]
    known = [beyond for beyond in each if beyond is not None]
    return sum(known, Beyond()) if known and len(known) == len(each) else None


def _side(manifest: Manifest, references: References) -> _Side:
    reference = references[manifest.model] if manifest.model else None
    if reference is not None:
        return _one_model([manifest], reference)
    return _Side(manifest.profiles()[0], manifest.expected()[0], manifest.beyond(), set(), of_training=False)


def _scaled(side: _Side) -> dict[str, list[float]]:
    """What was to be expected of as many rows as were found."""
    if not side.of_training:
        return {name: list(counts) for name, counts in side.expected.items()}
    totals = {name: (side.expected[name], sum(counts)) for name, counts in side.found.items()}
    return {
        name: [count * rows / sum(counts) for count in counts] for name, (counts, rows) in totals.items() if sum(counts)
    }


def _figures(side: _Side) -> dict[str, FeatureFigures]:
    beyond = side.beyond
    figures = {}
    for name, counts in side.found.items():
        wanted = side.expected.get(name)
        if wanted is None or len(wanted) != len(counts) or not sum(counts):
            continue
        found = beyond.features.get(name) if beyond else None
        sample = beyond.sample if beyond else None
        figures[name] = FeatureFigures(
            psi=_finite(population_stability_index(wanted, counts)),
            jensen_shannon=_finite(jensen_shannon(wanted, counts)),
            p_value=_finite(chi_square_p(wanted, counts, sample)) if sample and name in side.classes else None,
            missing=counts[-1] / sum(counts),
            missing_in_training=wanted[-1] / sum(wanted) if sum(wanted) else None,
            sample=sample,
            **_beyond(beyond, found),
        )
    return figures


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _beyond(beyond: Beyond | None, found: Found | None) -> JsonObject:
    if beyond is None or found is None or not found["rows"]:
        return {}
    unseen, outside = unseen_share(found), outside_share(found)
    share = outside if unseen is None else unseen
    return {
        "unseen": unseen,
        "outside": outside,
        "examples": examples(found),
        "margin": None if share is None else beyond.margin(share),
    }


def unseen_share(found: Found) -> float | None:
    """Share of the rows whose class training did not see; None for numbers."""
    return found["unseen"] / found["rows"] if "unseen" in found and found["rows"] else None


def outside_share(found: Found) -> float | None:
    """Share of the rows below or above the range of training; None for classes."""
    return (found["below"] + found["above"]) / found["rows"] if "below" in found and found["rows"] else None


def examples(found: Found) -> list[str]:
    """What was unseen or outside, for people."""
    extremes = [f"{found[name]:.6g}" for name in ("lowest", "highest") if name in found]
    return [*map(repr, found.get("such_as", [])), *extremes]
