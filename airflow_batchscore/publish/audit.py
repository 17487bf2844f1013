"""The audit between scoring and publication: manifests and parts are read back from storage and checked."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_batchscore.data import storage
from airflow_batchscore.data.formats.parquet_footer import DamagedParquetError, read_footer
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.errors import GateError, ScoringError
from airflow_batchscore.publish.drift import Drift, drift_limit, drift_problems, partition_drifts
from airflow_batchscore.publish.verdict import Audit, Limits
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.manifest import Manifest

#: No row may be lost or set apart, no partition may be missing, and drift is not measured.
STRICT = Limits()


def audit(planned: Sequence[Values], manifests: list[Manifest], limits: Limits = STRICT) -> Audit:
    """Check manifests, and the size and rows of every part on storage, against the plan and the limits.

    Args:
        planned: field values of the partitions that the run planned to score.
        manifests: what scoring committed, from `read_manifests`.

    Raises:
        GateError: a limit is not a number.
    """
    account = sum((manifest.account for manifest in manifests), Account())
    problems = [*_missing(planned, manifests, limits.allow_missing), *_one_model(manifests)]
    for damage in storage.each(_check_parts, manifests, manifests[0].uri) if manifests else []:
        problems += damage
    problems += _quarantined(manifests, account, _limit("max_quarantined", limits.max_quarantined))
    problems += _skipped(manifests, account, limits.max_skipped)
    drifts: dict[str, Drift] = {}
    if limits.max_drift is not None:
        limit = drift_limit(limits.max_drift)
        drifts = partition_drifts(manifests)
        problems += drift_problems(drifts, limit)
    return Audit(manifests, account, drifts, problems)


def _limit(name: str, value: float | str) -> Limit:
    try:
        return Limit.of(value)
    except ScoringError:
        raise GateError(f"{name}={value!r}: give a count of rows such as 1000, or a share such as 0.01") from None


def _skipped(manifests: Sequence[Manifest], account: Account, allowed: float | str | None) -> list[str]:
    """Ignores rows that a policy skips: they are left unscored on purpose."""
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
    """Raises GateError unless every planned partition, and no other, has exactly one manifest."""
    problems = _missing(planned, manifests, allowed=0)
    if problems:
        raise GateError(f"not published: {'; '.join(problems)}")


def _missing(planned: Sequence[Values], manifests: Sequence[Manifest], allowed: int) -> list[str]:
    scored = {manifest.key for manifest in manifests}
    wanted = [partition_key(values) for values in planned]
    missing = [key for key in wanted if key not in scored]
    extra = sorted(scored - set(wanted))
    problems = []
    if len(missing) > allowed:
        problems.append(
            f"{len(missing)} of {len(wanted)} planned partitions have no manifest ({', '.join(missing[:20])}; "
            f"{allowed} allowed): see the log of their scoring tasks, fix the cause, and clear them"
        )
    if extra:
        problems.append(f"partitions that were not planned: {', '.join(extra[:20])}")
    if len(scored) != len(manifests):
        problems.append("a partition has more than one manifest in this run")
    return problems


def _one_model(manifests: Sequence[Manifest]) -> list[str]:
    """Ignores partitions that each have their own model."""
    models = {m.model.digest[:12] if m.model else m.method for m in manifests if m.choice is None}
    return [f"partitions were scored with different models: {', '.join(sorted(models))}"] if len(models) > 1 else []


def _check_parts(manifest: Manifest) -> list[str]:
    sizes = {file.uri: file.size for file in storage.list_files(manifest.folder)}
    problems = []
    for block in manifest.blocks:
        part = manifest.folder / block.part
        if sizes.get(part.uri) != block.bytes:
            problems.append(
                f"partition {manifest.key}: {part} has {sizes.get(part.uri, 'no')} bytes, the manifest says "
                f"{block.bytes}; score it again with force"
            )
            continue
        try:
            rows = read_footer(part).num_rows
        except DamagedParquetError as error:
            problems.append(f"partition {manifest.key}: {error}; score it again with force")
            continue
        # A function may return any number of rows; a model returns one for each scored row.
        if rows != block.rows or not (manifest.is_function or rows == block.account.rows_scored):
            problems.append(
                f"partition {manifest.key}: {part} holds {rows} rows, the manifest says {block.rows} "
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
