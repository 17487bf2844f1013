"""The audit between scoring and publication: manifests and parts are read back from storage and held to limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.parquet_footer import DamagedParquetError, read_footer
from airflow_batchscore.data.pattern import Values, partition_key, sort_key
from airflow_batchscore.errors import GateError, ScoringError
from airflow_batchscore.model.choice import Chosen
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.drifts import Drift, drift_limit, drift_problems, partition_drifts
from airflow_batchscore.scoring.manifest import Manifest


@dataclass(frozen=True)
class Audit:
    """What the audit saw. `problems` is empty when the run may be published.

    Attributes:
        drift: of each partition; empty when no limit was asked for.
    """

    manifests: list[Manifest]
    account: Account
    drift: dict[str, Drift]
    problems: list[str]

    def to_dict(self) -> dict[str, Any]:
        worst = [found.worst for found in self.drift.values() if found.worst is not None]
        return {
            "partitions": len(self.manifests),
            **self.account.to_dict(),
            "max_drift": round(max(value for _, value in worst), 4) if worst else None,
            "without_drift": sum(found.worst is None for found in self.drift.values()),
            "uncovered": len((coverage(self.manifests) or {"uncovered": {}})["uncovered"]),
        }

    def verdict(self) -> dict[str, Any]:
        """All that was looked at and found, as JSON."""
        return {
            "passed": not self.problems,
            "problems": self.problems,
            **self.to_dict(),
            "scores": [
                {
                    "partition": manifest.key,
                    "manifest": manifest.uri,
                    "digest": manifest.digest,
                    **self._drift(manifest),
                }
                for manifest in self.manifests
            ],
        }

    def _drift(self, manifest: Manifest) -> dict[str, Any]:
        found = self.drift.get(manifest.key)
        if found is None:
            return {}
        if found.worst is None:
            return {"drift": None, "drift_is_not_measured_because": found.reason}
        hardly_seen = {"drift_hardly_sees": list(found.hardly_seen)} if found.hardly_seen else {}
        return {"drift": round(found.worst[1], 4), "drift_column": found.worst[0], **hardly_seen}

    def require(self) -> Audit:
        """Raises GateError that lists every problem."""
        if self.problems:
            counts = ", ".join(f"{name} {value}" for name, value in self.account.to_dict().items())
            raise GateError(
                f"not published, {len(self.problems)} problem(s): {'; '.join(self.problems)}. Seen: {counts}"
            )
        return self


def read_manifests(uris: Sequence[str], conn_id: str | None, digests: Sequence[str]) -> list[Manifest]:
    """The manifests, in the order of their partitions.

    Args:
        digests: SHA-256 of the bytes of each, as scoring or an audit returned them.

    Raises:
        GateError: one is not there, or holds other bytes.
    """
    expected = dict(zip(uris, digests, strict=True))

    def read(uri: str) -> Manifest:
        manifest = Manifest.read(uri, conn_id)
        if manifest is None:
            raise GateError(
                f"{uri} is gone: the partition is not committed any more; clear its scoring task to score it again"
            )
        if manifest.digest != expected[uri]:
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
    max_skipped: Any = None,
    max_drift: Any = None,
    allow_missing: int = 0,
) -> Audit:
    """Hold manifests, and the size and rows of every part on storage, to what was planned and allowed.

    Args:
        planned: field values of the partitions that the run set out to score.
        manifests: what scoring committed, from `read_manifests`.
        max_quarantined: rows (a count) or the share of rows read (with a point: ``0.01``) allowed over the run.
        max_skipped: the same of rows that were skipped, without those that a `ModelPolicy` skips; None: at least one of
            the rows that were read must be scored.
        max_drift: highest population stability index against the training data, of any feature or output column of any
            partition; None does not look. A partition whose drift cannot be measured is a problem.
        allow_missing: planned partitions that may lack a manifest.

    Raises:
        GateError: a limit is not a number.
    """
    account = sum((manifest.account for manifest in manifests), Account())
    problems = [*_missing(planned, manifests, allow_missing), *_one_model(manifests)]
    for found in storage.each(_check_parts, manifests, manifests[0].uri) if manifests else []:
        problems += found
    problems += _quarantined(manifests, account, _limit("max_quarantined", max_quarantined))
    problems += _skipped(manifests, account, max_skipped)
    drifts: dict[str, Drift] = {}
    if max_drift is not None:
        limit = drift_limit(max_drift)
        drifts = partition_drifts(manifests)
        problems += drift_problems(drifts, limit)
    return Audit(manifests, account, drifts, problems)


def _limit(name: str, value: Any) -> Limit:
    try:
        return Limit.of(value)
    except ScoringError:
        raise GateError(f"{name}={value!r}: give a count of rows such as 1000, or a share such as 0.01") from None


def _skipped(manifests: Sequence[Manifest], account: Account, allowed: Any) -> list[str]:
    """Rows that a policy skips are left out: they are not scored on purpose."""
    on_purpose = sum(manifest.rows_without_model for manifest in manifests)
    skipped, read = account.rows_skipped - on_purpose, account.rows_read - on_purpose
    if allowed is None:
        if read <= 0 or account.rows_scored:
            return []
        problem = (
            f"not one of {read} rows was scored ({skipped} skipped, {account.rows_quarantined} in quarantine): look at "
            "the recipe and the data, or allow it with max_skipped=1.0"
        )
        return [problem]
    limit = _limit("max_skipped", allowed)
    if limit.allows(skipped, read):
        return []
    worst = sorted(manifests, key=lambda manifest: manifest.rows_without_model - manifest.account.rows_skipped)
    where = ", ".join(f"{manifest.key} {manifest.account.rows_skipped}" for manifest in worst[:10])
    return [f"{skipped} of {read} rows were skipped, {limit.value} allowed: {where}. Look at the recipe and the data"]


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
            f"{allowed} allowed): see the log of their scoring tasks, fix the cause, and clear them"
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
        "`message` and `raw` there, fix the data or the recipe and run again, or raise max_quarantined"
    )
    return [problem]


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
