"""The audit between scoring and publication: manifests and parts are read back from storage and held to limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.parquet_footer import DamagedParquetError, read_footer
from airflow_batchscore.data.pattern import Values, partition_key, sort_key
from airflow_batchscore.errors import GateError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.choice import Chosen
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.drift import drift
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.manifest import Manifest


@dataclass(frozen=True)
class Audit:
    """What the audit saw. `problems` is empty when the run may be published."""

    manifests: list[Manifest]
    account: Account
    drift: dict[str, float]
    problems: list[str]

    def to_dict(self) -> dict[str, Any]:
        return {
            "partitions": len(self.manifests),
            **self.account.to_dict(),
            "max_drift": round(max(self.drift.values(), default=0.0), 4),
            "uncovered": len((coverage(self.manifests) or {"uncovered": {}})["uncovered"]),
        }

    def require(self) -> Audit:
        """Raises GateError that lists every problem."""
        if self.problems:
            counts = ", ".join(f"{name} {value}" for name, value in self.account.to_dict().items())
            raise GateError(
                f"not published, {len(self.problems)} problem(s): {'; '.join(self.problems)}. Seen: {counts}"
            )
        return self


def read_manifests(uris: Sequence[str], conn_id: str | None, digests: Sequence[str] | None = None) -> list[Manifest]:
    """The manifests, in the order of their partitions.

    Args:
        digests: SHA-256 of the bytes of each, as scoring or an audit returned them; None takes what is there.

    Raises:
        GateError: one is not there, or holds other bytes.
    """
    expected = dict(zip(uris, digests, strict=True)) if digests is not None else {}

    def read(uri: str) -> Manifest:
        manifest = Manifest.read(uri, conn_id)
        if manifest is None:
            raise GateError(
                f"{uri} is gone: the partition is not committed any more; clear its scoring task to score it again"
            )
        if manifest.digest != expected.get(uri, manifest.digest):
            raise GateError(
                f"{uri} is not what scoring wrote: it has SHA-256 {manifest.digest[:12]}, the run says "
                f"{expected[uri][:12]}. Manifests never change, so it was altered; score the partition again with "
                "force in a new run"
            )
        return manifest

    found = storage.each(read, uris, uris[0]) if uris else []
    return sorted(found, key=lambda manifest: sort_key(manifest.partition))


def audit(
    planned: Sequence[Values],
    manifests: list[Manifest],
    *,
    max_quarantined: Any = 0,
    max_drift: float | None = None,
    allow_missing: int = 0,
) -> Audit:
    """Hold manifests, and the size and rows of every part on storage, to what was planned and allowed.

    Args:
        planned: field values of the partitions that the run set out to score.
        manifests: what scoring committed, from `read_manifests`.
        max_quarantined: rows (a count) or the share of rows read (with a point: ``0.01``) allowed over the run.
        max_drift: highest population stability index against the training data, of any feature or output column of any
            partition; None does not look.
        allow_missing: planned partitions that may lack a manifest.
    """
    account = sum((manifest.account for manifest in manifests), Account())
    problems = [*_missing(planned, manifests, allow_missing), *_one_model(manifests)]
    for found in storage.each(_check_parts, manifests, manifests[0].uri) if manifests else []:
        problems += found
    problems += _quarantined(manifests, account, Limit.of(max_quarantined))
    columns = {} if max_drift is None else partition_drifts(manifests)
    drifts = {key: max(values.values(), default=0.0) for key, values in columns.items()}
    if max_drift is not None:
        problems += [
            f"partition {name} drifted from the training data (PSI {value:.3f}, allowed {max_drift})"
            for name, value in drifts.items()
            if value > max_drift
        ]
    return Audit(manifests, account, drifts, problems)


def require_planned(planned: Sequence[Values], manifests: Sequence[Manifest]) -> None:
    """Raises GateError unless every planned partition, and no other, has one manifest."""
    problems = _missing(planned, manifests, allowed=0)
    if problems:
        raise GateError(f"not published: {'; '.join(problems)}")


def _missing(planned: Sequence[Values], manifests: Sequence[Manifest], allowed: int) -> list[str]:
    there = {manifest.key for manifest in manifests}
    wanted = [partition_key(values) for values in planned]
    missing = [key for key in wanted if key not in there]
    extra = sorted(there - set(wanted))
    problems = []
    if len(missing) > allowed:
        problems.append(
            f"{len(missing)} of {len(wanted)} planned partitions have no manifest ({', '.join(missing[:20])}; "
            f"{allowed} allowed): see the log of their scoring tasks, mend, and clear them"
        )
    if extra:
        problems.append(f"partitions that were not planned: {', '.join(extra[:20])}")
    if len(there) != len(manifests):
        problems.append("a partition has more than one manifest in this run")
    return problems


def _one_model(manifests: Sequence[Manifest]) -> list[str]:
    """Partitions that each have a model of their own are left out."""
    found = {str(m.model["digest"])[:12] if m.model else m.method for m in manifests if m.choice is None}
    return [f"partitions were scored with different models: {', '.join(sorted(found))}"] if len(found) > 1 else []


def _check_parts(manifest: Manifest) -> list[str]:
    sizes = {file.uri: file.size for file in storage.list_files(manifest.folder, manifest.conn_id)}
    problems = []
    for block in manifest.blocks:
        uri = storage.join(manifest.folder, block.part)
        if sizes.get(uri) != block.bytes:
            problems.append(
                f"partition {manifest.key}: {uri} has {sizes.get(uri, 'no')} bytes, the manifest says "
                f"{block.bytes}; score it again with force"
            )
            continue
        try:
            rows = read_footer(uri, manifest.conn_id).num_rows
        except DamagedParquetError as error:
            problems.append(f"partition {manifest.key}: {error}; score it again with force")
            continue
        # A function makes as many rows as it likes; a model gives one for each that it scored.
        if rows != block.rows or not (manifest.is_function or rows == block.account.rows_scored):
            problems.append(
                f"partition {manifest.key}: {uri} holds {rows} rows, the manifest says {block.rows} "
                f"of {block.account.rows_scored} scored"
            )
    return problems


def _quarantined(manifests: Sequence[Manifest], account: Account, limit: Limit) -> list[str]:
    if limit.allows(account.rows_quarantined, account.rows_read):
        return []
    where = [
        f"{manifest.key} {manifest.account.rows_quarantined} (in {manifest.folder}/quarantine)"
        for manifest in manifests
        if manifest.account.rows_quarantined
    ]
    problem = (
        f"{account.rows_quarantined} rows are in quarantine, {limit.value} allowed: {', '.join(where[:10])}. Look at "
        "`message` and `raw` there, mend the data or the recipe and run again, or raise max_quarantined"
    )
    return [problem]


def partition_drifts(manifests: Sequence[Manifest]) -> dict[str, dict[str, float]]:
    """Partition key -> PSI of each feature and output column against the model's training data.

    The reference is read once a model, however many partitions it scored.
    """
    refs = sorted({model_of(manifest) for manifest in manifests if manifest.model}, key=lambda ref: ref.uri)
    models = storage.each(artifact.read_manifest, refs, refs[0].uri) if refs else []
    references = {ref: model.profile for ref, model in zip(refs, models, strict=True)}
    return {m.key: _drift(m, references[model_of(m)]) if m.model else {} for m in manifests}


def model_of(manifest: Manifest) -> ModelRef:
    """The one model that scored a partition."""
    assert manifest.model is not None, "asked for where there is one"
    return ModelRef.from_dict(manifest.model)


def _drift(manifest: Manifest, reference: Mapping[str, Any]) -> dict[str, float]:
    features, predictions = manifest.profiles()
    return drift(reference["features"]["counts"], features) | drift(reference_counts(manifest, reference), predictions)


def reference_counts(manifest: Manifest, reference: Mapping[str, Any], what: str = "counts") -> dict[str, Any]:
    """What training saw of each output column that was written: its ``counts`` or its ``bins``."""
    found = {
        name: reference["outputs"].get(method, {}).get(what, {}).get(column)
        for name, (method, column) in manifest.outputs.items()
    }
    return {name: value for name, value in found.items() if value is not None}


def coverage(manifests: Sequence[Manifest]) -> dict[str, Any] | None:
    """Where each partition or each value of a column has a model of its own: how many have, and which have not.

    Returns:
        ``{"own": n, "uncovered": {what: rows}}`` with n partitions, and what has no model of its own, and how many
        rows that are; None where one model scored all.
    """
    if all(manifest.choice is None and not manifest.uncovered for manifest in manifests):
        return None
    uncovered: dict[str, int] = {}
    for manifest in manifests:
        here = dict(manifest.uncovered)
        if manifest.choice and manifest.choice["status"] == "fallback":
            here = {f"{manifest.key}: {Chosen.from_dict(manifest.choice).note}": manifest.account.rows_read}
        for what, rows in here.items():
            uncovered[what] = uncovered.get(what, 0) + rows
    own = sum(manifest.choice is None or manifest.choice["status"] == "own" for manifest in manifests)
    return {"own": own, "uncovered": uncovered}
