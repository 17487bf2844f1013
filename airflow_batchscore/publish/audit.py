"""The audit between scoring and publication: manifests and parts are read back from storage and checked."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_batchscore.data import storage
from airflow_batchscore.data.amounts import number_of
from airflow_batchscore.data.formats.parquet_footer import DamagedParquetError, read_footer
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.errors import GateError, ScoringError, listed
from airflow_batchscore.publish.drift import Drift, drift_check, drift_limits, partition_drifts, references_of
from airflow_batchscore.publish.unlike import OUTSIDE, UNSEEN, unlike_check
from airflow_batchscore.publish.verdict import Audit, Limits
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.check import Check, as_lines, problems_of
from airflow_batchscore.quality.limits import ColumnLimits
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.manifest import Manifest

#: No row may be lost or set apart, no partition may be missing, and drift is not measured.
STRICT = Limits()


def audit(
    planned: Sequence[Values], manifests: list[Manifest], limits: Limits = STRICT, notices: Sequence[str] = ()
) -> Audit:
    """Check manifests, and the size and rows of every part on storage, against the plan and the limits.

    Args:
        planned: field values of the partitions that the run planned to score.
        manifests: what scoring committed, from `read_manifests`.
        notices: what the plan found unusual, for people.

    Raises:
        GateError: a limit is not a number, or is set for a column that does not exist.
    """
    account = sum((manifest.account for manifest in manifests), Account())
    checks = [
        *_planned(planned, manifests, limits.allow_missing),
        _one_model(manifests),
        _accounted(manifests, account),
        _parts(manifests),
        _quarantined(manifests, account, _limit("max_quarantined", limits.max_quarantined)),
        _skipped(manifests, account, limits.max_skipped),
    ]
    drifts, measured = _beside_training(manifests, limits)
    checks += measured
    if notices:
        checks.append(Check("unusual in the plan", listed(notices, "; "), "no limit"))
    return Audit(manifests, account, drifts, checks, notices)


def _beside_training(manifests: Sequence[Manifest], limits: Limits) -> tuple[dict[str, Drift], list[Check]]:
    """Drift of each partition if it is limited, and the checks that compare rows with the training data."""
    kinds = [(UNSEEN, limits.max_unseen), (OUTSIDE, limits.max_outside)]
    drift_allowed = None if limits.max_drift is None else drift_limits(limits.max_drift)
    shares_allowed = [
        (kind, ColumnLimits.of(kind.argument, allowed, most=1)) for kind, allowed in kinds if allowed is not None
    ]
    references = references_of(manifests) if drift_allowed or shares_allowed else {}
    drifts: dict[str, Drift] = {}
    checks = [Check("drift (PSI)", "-", "no limit")]
    if drift_allowed is not None:
        drifts = partition_drifts(manifests, references)
        checks = [drift_check(drifts, drift_allowed)]
    return drifts, [*checks, *(unlike_check(manifests, references, *each) for each in shares_allowed)]


def _limit(name: str, value: float | str) -> Limit:
    try:
        return Limit.of(value)
    except ScoringError:
        raise GateError(f"{name}={value!r}: give a count of rows such as 1000, or a share such as 0.01") from None


def _allowed(limit: Limit) -> str:
    return f"{limit.value:,}" if isinstance(limit.value, int) else f"{100 * limit.value:g} %"


def _skipped(manifests: Sequence[Manifest], account: Account, allowed: float | str | None) -> Check:
    """Ignores rows that a policy skips: they are left unscored on purpose."""
    on_purpose = sum(manifest.rows_without_model for manifest in manifests)
    skipped, read = account.rows_skipped - on_purpose, account.rows_read - on_purpose
    what, found = "rows skipped", f"{skipped:,} of {read:,}"
    if allowed is None:
        problem = (
            f"not one of {read} rows was scored ({skipped} skipped, {account.rows_quarantined} in quarantine): look at "
            "the recipe and the data, or allow it with max_skipped=1.0"
        )
        return Check(what, found, "not all", None if read <= 0 or account.rows_scored else problem)
    limit = _limit("max_skipped", allowed)
    if limit.allows(skipped, read):
        return Check(what, found, _allowed(limit))
    worst = sorted(manifests, key=lambda manifest: manifest.rows_without_model - manifest.account.rows_skipped)
    where = ", ".join(f"{manifest.key} {manifest.account.rows_skipped}" for manifest in worst[:10])
    problem = f"{skipped} of {read} rows were skipped, {limit.value} allowed: {where}. Look at the recipe and the data"
    return Check(what, found, _allowed(limit), problem)


def require_planned(planned: Sequence[Values], manifests: Sequence[Manifest]) -> None:
    """Raises GateError unless every planned partition, and no other, has exactly one manifest."""
    problems = problems_of(_planned(planned, manifests, allowed=0))
    if problems:
        raise GateError(f"not published{as_lines(problems)}")


def _planned(planned: Sequence[Values], manifests: Sequence[Manifest], allowed: int) -> list[Check]:
    scored = {manifest.key for manifest in manifests}
    wanted = [partition_key(values) for values in planned]
    missing = [key for key in wanted if key not in scored]
    extra = sorted(scored - set(wanted))
    missed = (
        f"{len(missing)} of {len(wanted)} planned partitions have no manifest ({', '.join(missing[:20])}; "
        f"{allowed} allowed): see the log of their scoring tasks, fix the cause, and clear them"
    )
    unplanned = f"partitions that were not planned: {', '.join(extra[:20])}"
    twice = len(manifests) - len(scored)
    repeated = "a partition has more than one manifest in this run"
    return [
        Check(
            "partitions without a manifest", str(len(missing)), str(allowed), missed if len(missing) > allowed else None
        ),
        Check("partitions not planned", str(len(extra)), "0", unplanned if extra else None),
        Check("partitions scored twice", str(twice), "0", repeated if twice else None),
    ]


def _one_model(manifests: Sequence[Manifest]) -> Check:
    """Ignores partitions that each have their own model."""
    models = {m.model.digest[:12] if m.model else m.method for m in manifests if m.choice is None}
    problem = f"partitions were scored with different models: {', '.join(sorted(models))}"
    if not models:
        return Check("different models", "those of each partition", "-")
    return Check("different models", str(len(models)), "1", problem if len(models) > 1 else None)


def _accounted(manifests: Sequence[Manifest], account: Account) -> Check:
    read, *parts = account.astuple()
    off = [manifest.key for manifest in manifests if not manifest.account.adds_up]
    problem = f"the account of {listed(off)} is off: score it again with force"
    return Check("rows accounted for", f"{sum(parts):,}", f"{read:,}", problem if off else None)


def _parts(manifests: Sequence[Manifest]) -> Check:
    problems: list[str] = []
    for damage in storage.each(_check_parts, manifests, manifests[0].uri) if manifests else []:
        problems += damage
    count = sum(len(manifest.blocks) for manifest in manifests)
    found = f"{count - len(problems):,} of {count:,}"
    return Check("parts as written", found, "all", listed(problems, "; ") if problems else None)


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


def _quarantined(manifests: Sequence[Manifest], account: Account, limit: Limit) -> Check:
    what, found = "rows in quarantine", f"{account.rows_quarantined:,} of {account.rows_read:,}"
    if limit.allows(account.rows_quarantined, account.rows_read):
        return Check(what, found, _allowed(limit))
    where = [
        f"{manifest.key} {manifest.account.rows_quarantined} (in {manifest.folder}/quarantine)"
        for manifest in manifests
        if manifest.account.rows_quarantined
    ]
    problem = (
        f"{number_of(account.rows_quarantined, 'row')} in quarantine, {limit.value} allowed: {', '.join(where[:10])}. "
        "Look at `message` and `raw` there, fix the data or the recipe and run again, or raise max_quarantined"
    )
    return Check(what, found, _allowed(limit), problem)
