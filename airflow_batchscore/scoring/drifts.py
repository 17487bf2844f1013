"""How far the scores of each partition lie from the training data, and what stands in the way of saying so."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_batchscore.data import storage
from airflow_batchscore.errors import GateError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.drift import drift
from airflow_batchscore.scoring.manifest import Manifest

log = logging.getLogger(__name__)

_MOST_NAMED = 20


@dataclass(frozen=True)
class Drift:
    """Of one partition.

    Attributes:
        columns: feature or output column -> PSI against the training data.
        reason: why it cannot be measured; None where it can.
        on_purpose: that there is nothing to measure is what the user asked for.
        hardly_seen: columns whose values are so many that most rows fall into no bin of their own: what moves among
            those (names, ids) does not show.
    """

    columns: dict[str, float] = field(default_factory=dict)
    reason: str | None = None
    on_purpose: bool = False
    hardly_seen: tuple[str, ...] = ()

    @property
    def worst(self) -> tuple[str, float] | None:
        """The column that moved most; None where it cannot be measured."""
        return None if self.reason or not self.columns else max(self.columns.items(), key=lambda item: item[1])


def drift_limit(value: Any) -> float:
    """Raises GateError unless `value` is a number from 0: nothing can be held to any other."""
    try:
        limit = float(value)
    except (TypeError, ValueError):
        limit = math.nan
    if not 0 <= limit < math.inf:
        raise GateError(f"max_drift={value!r} is no limit: give a number such as 0.25, or None to measure no drift")
    return limit


def drift_problems(drifts: Mapping[str, Drift], limit: float) -> list[str]:
    """Partitions that drifted, and those of which nobody can say."""
    worst = {name: found.worst for name, found in drifts.items() if found.worst is not None}
    problems = [
        f"partition {name} drifted from the training data (PSI {value:.3f} of {column}, allowed {limit})"
        for name, (column, value) in worst.items()
        if value > limit
    ]
    if drifts and not worst and all(found.on_purpose for found in drifts.values()):
        problems.append("there is no drift to measure: the partitions have no rows, or the model policy skips them all")
    reasons: dict[str, list[str]] = {}
    for name, found in drifts.items():
        if found.reason and not found.on_purpose:
            reasons.setdefault(found.reason, []).append(name)
    return problems + [
        f"the drift of {len(names)} partitions cannot be measured, because {reason}: {', '.join(names[:_MOST_NAMED])}; "
        "run without max_drift if that is right"
        for reason, names in reasons.items()
    ]


def partition_drifts(manifests: Sequence[Manifest]) -> dict[str, Drift]:
    """Partition key -> drift. The reference is read once per model, however many partitions it scored."""
    refs = sorted({model_of(manifest) for manifest in manifests if manifest.model}, key=lambda ref: ref.uri)
    models = storage.each(artifact.read_manifest, refs, refs[0].uri) if refs else []
    references = {ref: model.profile for ref, model in zip(refs, models, strict=True)}
    drifts = {m.key: _drift(m, references[model_of(m)] if m.model else None) for m in manifests}
    hardly_seen = sorted({name for found in drifts.values() for name in found.hardly_seen})
    if hardly_seen:
        log.warning(
            "max_drift hardly sees the columns %s: most of their values in training were rare, and those are counted "
            "together. A shift among them does not show",
            ", ".join(hardly_seen[:_MOST_NAMED]),
        )
    return drifts


def model_of(manifest: Manifest) -> ModelRef:
    """The one model that scored a partition."""
    assert manifest.model is not None, "asked for where there is one"
    return ModelRef.from_dict(manifest.model)


def _drift(manifest: Manifest, reference: Mapping[str, Any] | None) -> Drift:
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
    if reference is None:
        known = manifest.expected()
    else:
        known = reference["features"]["counts"], reference_counts(manifest, reference)
    columns = drift(known[0], features) | drift(known[1], predictions)
    hardly_seen = tuple(name for some in known for name in some if name in columns and _is_blurred(some[name]))
    empty = [name for name, value in columns.items() if math.isnan(value)]
    if empty or not columns:
        what = (
            f"nothing was counted of {', '.join(empty)}" if empty else "the model keeps no profile of its training data"
        )
        return Drift(reason=what)
    if len(hardly_seen) == len(columns):
        return Drift(reason=f"most values of {', '.join(hardly_seen)} are rare, and rare ones are counted together")
    return Drift(columns, hardly_seen=hardly_seen)


def _is_blurred(counts: Sequence[float]) -> bool:
    """Whether most of the rows that training saw had a value without a bin of its own."""
    *known, other, _ = counts
    return other > sum(known)


def reference_counts(manifest: Manifest, reference: Mapping[str, Any], what: str = "counts") -> dict[str, Any]:
    """What training saw of each output column that was written: its ``counts`` or its ``bins``."""
    found = {
        name: reference["outputs"].get(method, {}).get(what, {}).get(column)
        for name, (method, column) in manifest.outputs.items()
    }
    return {name: value for name, value in found.items() if value is not None}
