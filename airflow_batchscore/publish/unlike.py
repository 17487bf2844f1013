"""The gates on rows unlike the training data: classes that it did not see, numbers outside its range."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_batchscore.data.amounts import number_of
from airflow_batchscore.errors import listed
from airflow_batchscore.publish.features import References, examples, outside_share, unseen_share
from airflow_batchscore.quality.beyond import Beyond, Found, Range
from airflow_batchscore.quality.check import Check
from airflow_batchscore.quality.limits import ColumnLimits
from airflow_batchscore.quality.profile import ReferenceProfile
from airflow_batchscore.scoring.manifest import Manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Kind:
    """What a gate measures.

    Attributes:
        what: of the check.
        features: that it is about, for messages.
        said: how the values are, in a sentence.
        share: of a feature's rows; None if the feature is not of this kind.
        advice: what a person does next.
        key, counted: what tells a feature of this kind, in its range and in its bins.
    """

    argument: str
    what: str
    features: str
    said: str
    share: Callable[[Found], float | None]
    advice: str
    key: str
    counted: str


UNSEEN = _Kind(
    "max_unseen",
    "unseen classes",
    "features of classes",
    "of the rows have a class that training did not see",
    unseen_share,
    "see whether the supplier renamed them, or train a version that knows them",
    "known",
    "values",
)
OUTSIDE = _Kind(
    "max_outside",
    "values outside the training range",
    "features of numbers",
    "of the rows lie outside the range of training",
    outside_share,
    "see whether a unit or a default value changed, or train a version on such values",
    "low",
    "edges",
)


@dataclass(frozen=True)
class Shares:
    """Of a partition: feature -> share, or why that cannot be measured; `on_purpose` as in `Drift`."""

    columns: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None
    on_purpose: bool = False


def unlike_check(manifests: Sequence[Manifest], references: References, kind: _Kind, limits: ColumnLimits) -> Check:
    """The partition and the feature that are furthest above their limit.

    Raises:
        GateError: a limit is set for what is no feature of the models.
    """
    features = {name for manifest in manifests for name in manifest.profiles()[0]}
    if features:
        limits.require_known(features, "the model's features")
    _say_what_is_left_out(references, kind, limits)
    shares = {manifest.key: _shares(manifest, references, kind, limits) for manifest in manifests}
    named = {manifest.key: manifest for manifest in manifests}
    worst = {key: limits.worst(each.columns) for key, each in shares.items() if each.reason is None}
    problems = [
        _problem(named[key], references, *found, kind, limits)
        for key, found in worst.items()
        if found is not None and limits.exceeds(*found)
    ]
    problems += _unmeasured(shares, kind)
    text = "-"
    if measured := [(*found, key) for key, found in worst.items() if found is not None]:
        name, value, key = max(measured, key=lambda item: item[1] - (limits.allowed(item[0]) or 0.0))
        text = f"{value:.2%} of {name} in {key}"
    return Check(kind.what, text, str(limits), listed(problems, "; ") if problems else None)


def _say_what_is_left_out(references: References, kind: _Kind, limits: ColumnLimits) -> None:
    each = [
        name
        for profile in references.values()
        for name, spec in profile.features.bins.items()
        if profile.ranges and kind.counted in spec and name not in profile.ranges
    ]
    if left_out := limits.limited(dict.fromkeys(each)):
        log.warning(
            "%s cannot see %s: training saw no value of them, or more classes than a model keeps",
            kind.argument,
            listed(left_out),
        )


def _problem(
    manifest: Manifest, references: References, name: str, share: float, kind: _Kind, limits: ColumnLimits
) -> str:
    beyond = manifest.beyond() or Beyond()
    margin, such_as = beyond.margin(share), examples(beyond.features[name])
    known = f" (±{margin:.2%}, from {beyond.sample:,} rows)" if margin else ""
    reference = references[manifest.model] if manifest.model else None
    range_ = reference.ranges.get(name, {}) if reference else {}
    of = f" ({range_['low']:.6g} to {range_['high']:.6g})" if "low" in range_ else ""
    allowed = limits.allowed(name) or 0.0
    return (
        f"partition {manifest.key}: in {name}, {share:.2%}{known} {kind.said}{of}"
        f"{', such as ' + ', '.join(such_as) if such_as else ''} (allowed {allowed:.2%}): {kind.advice}"
    )


def _unmeasured(shares: Mapping[str, Shares], kind: _Kind) -> list[str]:
    if shares and all(each.on_purpose for each in shares.values()):
        return [f"there are no {kind.what} to measure: the partitions have no rows, or the model policy skips them all"]
    reasons: dict[str, list[str]] = {}
    for key, each in shares.items():
        if each.reason and not each.on_purpose:
            reasons.setdefault(each.reason, []).append(key)
    return [
        f"{kind.what} cannot be measured in {number_of(len(keys), 'partition')}, because {reason}: {listed(keys)}"
        for reason, keys in reasons.items()
    ]


def _shares(manifest: Manifest, references: References, kind: _Kind, limits: ColumnLimits) -> Shares:
    account = manifest.account
    if manifest.is_function:
        return Shares(reason=f"a function made them, which has no training data; run without {kind.argument}")
    if not account.rows_read:
        return Shares(reason="they have no rows", on_purpose=True)
    if account.rows_read == manifest.rows_without_model:
        return Shares(reason="the model policy skips all of their rows", on_purpose=True)
    if not account.rows_scored:
        return Shares(reason="none of their rows was scored; see why in the log of scoring")
    beyond = manifest.beyond()
    if beyond is None:
        return Shares(
            reason="an earlier version of this package scored them, and did not look; score them again with force"
        )
    each = {name: kind.share(found) for name, found in beyond.features.items()}
    columns = {name: share for name, share in each.items() if share is not None}
    return _as_wanted(manifest, columns, references[manifest.model] if manifest.model else None, kind, limits)


def _as_wanted(
    manifest: Manifest,
    columns: Mapping[str, float],
    reference: ReferenceProfile | None,
    kind: _Kind,
    limits: ColumnLimits,
) -> Shares:
    """The shares, unless a feature with a limit of its own, or every feature, has none."""
    if reference is not None and not reference.ranges and reference.features.bins:
        return Shares(reason="an earlier version of this package trained the model; train it again")
    lacking = sorted(set(limits.own) - set(columns))
    if lacking:
        ranges: Mapping[str, Range] = reference.ranges if reference else {}
        other = [name for name in lacking if name in ranges and kind.key not in ranges[name]]
        if other:
            return Shares(reason=f"{kind.argument} names {listed(other)}, and not only {kind.features}; correct it")
        return Shares(
            reason=f"training saw no value, or too many classes, of {listed(lacking)}; take it out of {kind.argument}"
        )
    if not limits.limited(columns):
        return Shares(reason=f"the model has no {kind.features} that can be compared; run without {kind.argument}")
    return Shares(columns)
