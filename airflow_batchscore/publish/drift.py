"""How far the scores of each partition have drifted from the training data, or why that cannot be measured."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_batchscore.data import storage
from airflow_batchscore.data.amounts import number_of
from airflow_batchscore.errors import listed
from airflow_batchscore.model import artifact
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.check import Check
from airflow_batchscore.quality.drift import drift
from airflow_batchscore.quality.limits import ColumnLimits
from airflow_batchscore.quality.profile import ReferenceProfile
from airflow_batchscore.scoring.manifest import Manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drift:
    """Drift of one partition.

    Attributes:
        columns: feature or output column -> PSI against the training data.
        reason: why it cannot be measured; None if it can.
        on_purpose: the user asked for a run in which there is nothing to measure.
        hardly_seen: columns with so many values that most rows have no bin of their own: drift among such values
            (names, ids) does not show.
    """

    columns: dict[str, float] = field(default_factory=dict)
    reason: str | None = None
    on_purpose: bool = False
    hardly_seen: tuple[str, ...] = ()

    @property
    def worst(self) -> tuple[str, float] | None:
        """The column that drifted most; None if drift cannot be measured."""
        return None if self.reason or not self.columns else max(self.columns.items(), key=lambda item: item[1])


def drift_limits(value: object) -> ColumnLimits:
    """What ``max_drift`` allows. Raises GateError for what is no limit."""
    return ColumnLimits.of("max_drift", value)


def drift_problems(drifts: Mapping[str, Drift], limits: ColumnLimits) -> list[str]:
    """Partitions that drifted, and those that cannot be measured."""
    worst = {name: found for name, measured in drifts.items() if (found := _worst(measured, limits)) is not None}
    problems = [
        f"partition {name} drifted from the training data (PSI {value:.3f} of {column}, allowed "
        f"{limits.allowed(column)})"
        for name, (column, value) in worst.items()
        if limits.exceeds(column, value)
    ]
    if drifts and not worst and all(measured.on_purpose for measured in drifts.values()):
        problems.append("there is no drift to measure: the partitions have no rows, or the model policy skips them all")
    reasons: dict[str, list[str]] = {}
    for name, measured in drifts.items():
        if measured.reason and not measured.on_purpose:
            reasons.setdefault(measured.reason, []).append(name)
    return problems + [
        f"the drift of {number_of(len(names), 'partition')} cannot be measured, because {reason}: {listed(names)}; "
        "run without max_drift if that is right"
        for reason, names in reasons.items()
    ]


def drift_check(drifts: Mapping[str, Drift], limits: ColumnLimits) -> Check:
    """The partition and the column that drifted furthest beyond their limit, or came nearest to it.

    Raises:
        GateError: a limit is set for what is no column of these scores.
    """
    if columns := {column for measured in drifts.values() for column in measured.columns}:
        limits.require_known(columns, "the features and outputs that drift is measured of")
    worst = [(*most, name) for name, measured in drifts.items() if (most := _worst(measured, limits)) is not None]
    found = "-"
    if worst:
        column, value, name = max(worst, key=lambda item: item[1] - (limits.allowed(item[0]) or 0.0))
        found = f"{value:.3f} of {column} in {name}"
    problems = drift_problems(drifts, limits)
    return Check("drift (PSI)", found, str(limits), listed(problems, "; ") if problems else None)


def _worst(measured: Drift, limits: ColumnLimits) -> tuple[str, float] | None:
    return None if measured.reason else limits.worst(measured.columns)


def references_of(manifests: Sequence[Manifest]) -> dict[ModelRef, ReferenceProfile]:
    """The profile of each model's training data, read once per model, however many partitions it scored."""
    refs = sorted({manifest.model for manifest in manifests if manifest.model}, key=lambda ref: ref.uri)
    models = storage.each(artifact.read_manifest, refs, refs[0].uri) if refs else []
    return {ref: model.profile for ref, model in zip(refs, models, strict=True)}


def partition_drifts(
    manifests: Sequence[Manifest], references: Mapping[ModelRef, ReferenceProfile] | None = None
) -> dict[str, Drift]:
    """Partition key -> drift.

    Args:
        references: as `references_of` reads them, which is done if they are not given.
    """
    references = references_of(manifests) if references is None else references
    drifts = {m.key: _drift(m, references[m.model] if m.model else None) for m in manifests}
    hardly_seen = sorted({name for measured in drifts.values() for name in measured.hardly_seen})
    if hardly_seen:
        log.warning(
            "max_drift cannot see much in the columns %s: most of their values in training were rare, and rare "
            "values are counted together, so that a shift among them does not show",
            listed(hardly_seen),
        )
    return drifts


def _drift(manifest: Manifest, reference: ReferenceProfile | None) -> Drift:
    account = manifest.account
    if manifest.is_function:
        return Drift(reason="a function made them, which has no training data")
    if not account.rows_read:
        return Drift(reason="they have no rows", on_purpose=True)
    if account.rows_read == manifest.rows_without_model:
        return Drift(reason="the model policy skips all of their rows", on_purpose=True)
    if not account.rows_scored:
        return Drift(reason="none of their rows was scored")
    features, predictions = manifest.profiles()
    known: tuple[Mapping[str, Sequence[float]], Mapping[str, Sequence[float]]] = manifest.expected()
    if reference is not None:
        known = reference.features.counts, reference.written(manifest.outputs).counts
    columns = drift(known[0], features) | drift(known[1], predictions)
    hardly_seen = tuple(name for counts in known for name in counts if name in columns and _is_blurred(counts[name]))
    empty = [name for name, value in columns.items() if math.isnan(value)]
    if empty or not columns:
        what = (
            f"no values were counted in {', '.join(empty)}"
            if empty
            else "the model keeps no profile of its training data"
        )
        return Drift(reason=what)
    if len(hardly_seen) == len(columns):
        return Drift(reason=f"most values of {', '.join(hardly_seen)} are rare, and rare ones are counted together")
    return Drift(columns, hardly_seen=hardly_seen)


def _is_blurred(counts: Sequence[float]) -> bool:
    """Whether most of the training rows had a value without its own bin."""
    *known, other, _ = counts
    return other > sum(known)
