"""Removes staged scores that nobody needs any more.

Never: the newest scores of a partition, what an output holds, what a kept run was checked with, what is young. The
partition's commit is revoked first (`scoring.manifest_numbers.revoke`), in one atomic step that fails if a scorer
commits at that moment; then the manifests are emptied, and the parts go last. So a crash leaves no manifest that counts
and whose parts are gone, and a scorer that began before cannot commit parts that are gone.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Literal

from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, OutputError
from airflow_batchscore.publish.checked import CheckedRun, checked_runs
from airflow_batchscore.publish.staged import (
    StagedFile,
    StagedIdentity,
    staged_estimates,
    staged_identities,
)
from airflow_batchscore.publish.targets import target_of
from airflow_batchscore.publish.targets.folder import FolderTarget
from airflow_batchscore.publish.targets.table_record import recorded
from airflow_batchscore.scoring.manifest_numbers import empty, revoke

log = logging.getLogger(__name__)

_HOUR_NS = 3600 * 10**9
DEFAULT_MIN_AGE_HOURS = 72
#: What is left of manifests goes when no scorer that it stops can be alive any more.
_NOTE_HOURS = 30 * 24
#: Incremented when the fields of `Cleaned` change.
SCHEMA = 1
#: ``"old"``: committed, and newer scores of the partition are. ``"unfinished"``: never committed. ``"temporary"``: a
#: file that a writer did not finish. ``"note"``: the trace of an earlier removal.
Why = Literal["old", "unfinished", "temporary", "note"]


@dataclass(frozen=True)
class Keep:
    """What is kept, besides what always is. At least one of `days` and `runs`.

    Attributes:
        days: scores that were committed in the last so many days.
        runs: of each partition, the newest so many scorings; and what the newest so many runs were checked with. The
            scores of a challenger belong to the runs that compared them, and are no scoring of the partition.
        min_age_hours: nothing younger is touched, and no folder in which anything is: a task may be at work there.

    Raises InputError for less than that.
    """

    days: float | None = None
    runs: int | None = None
    min_age_hours: float = DEFAULT_MIN_AGE_HOURS

    def __post_init__(self) -> None:
        if self.days is None and self.runs is None:
            raise InputError("say what to keep: keep_days=30, keep_runs=5, or both")
        if self.days is not None and not self.days >= 0:
            raise InputError(f"keep_days={self.days}: give 0 or more days")
        if self.runs is not None and self.runs < 1:
            raise InputError(f"keep_runs={self.runs}: give 1 or more; the newest scores are always kept")
        if not self.min_age_hours >= 0:
            raise InputError(f"min_age_hours={self.min_age_hours}: give 0 or more hours")


@dataclass(frozen=True)
class Removed:
    """What goes of an identity.

    Attributes:
        committed: when, ISO 8601, UTC; None if it was not.
    """

    partition: str
    identity: str
    why: Why
    files: int
    bytes: int
    committed: str | None


@dataclass(frozen=True)
class Cleaned:
    """What was removed, or would be.

    Attributes:
        kept, kept_bytes: identities that stay, and their size.
        in_use: of those that were to go, how many a scorer committed at that moment: they stay.
    """

    staging: str
    dry_run: bool
    removed: Sequence[Removed]
    kept: int
    kept_bytes: int
    in_use: int = 0

    @property
    def bytes(self) -> int:
        """Of what was removed."""
        return sum(each.bytes for each in self.removed)

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return {"schema": SCHEMA, **asdict(self), "bytes": self.bytes}


def clean_staging(
    staging: Location, published: Sequence[Location], keep: Keep, *, dry_run: bool = False, now_ns: int | None = None
) -> Cleaned:
    """Remove staged scores that are not kept, or say which would go.

    Args:
        staging: where scoring tasks write, their ``output_uri``.
        published: every output that is made of these scores; what they hold is kept.
        now_ns: for tests; ns since 1970.

    Raises:
        InputError: nothing is staged there, or a published output does not exist.
        OutputError: an output cannot tell what it holds. Nothing was removed.
        OSError: the storage failed; a repetition goes on.
    """
    now = time.time_ns() if now_ns is None else now_ns
    digests = _published(published)
    found = staged_identities(staging)
    if not found:
        raise InputError(f"{staging} holds no staged scores: give the output_uri of the scoring tasks")
    cleaner = _Cleaner(staging, keep, now, digests, found)
    goes = storage.each(cleaner.goes, found, staging.uri)
    doomed = [each for each, gone in zip(found, goes, strict=True) if gone]
    gone = [True] * len(doomed) if dry_run else storage.each(_remove, doomed, staging.uri)
    removed = [_removed(each, _why(each), each.files) for each, done in zip(doomed, gone, strict=True) if done]
    for left_over in staged_estimates(staging):
        if cleaner.is_old(left_over.newest_ns):
            removed.append(_removed(left_over, "temporary", left_over.files))
            if not dry_run:
                _delete(left_over, left_over.files)
    stay = [each for each, gone in zip(found, goes, strict=True) if not gone]
    for each in stay:
        left = [file for file in each.files if file.is_temporary and cleaner.is_old(file.info.mtime_ns)]
        if left:
            removed.append(_removed(each, "temporary", left))
            if not dry_run:
                _delete(each, left)
    kept = [each for each in stay if not each.is_removed]
    return Cleaned(staging.uri, dry_run, removed, len(kept), sum(each.bytes for each in kept), gone.count(False))


def _published(outputs: Sequence[Location]) -> Mapping[str, Set[str]]:
    """Partition key -> digests of the manifests that outputs hold."""
    digests: dict[str, set[str]] = {}
    for output in outputs:
        target = target_of(output)
        if isinstance(target, FolderTarget) and (in_table := recorded(output)):
            for stamp in in_table:
                digests.setdefault(stamp.key, set()).add(stamp.manifest)
            continue
        stamps = target.published()
        if stamps is None:
            raise OutputError(f"{output}: this kind of output cannot tell what it holds, so that nothing was removed")
        if not stamps:
            raise InputError(f"{output} holds no published scores, so that nothing was removed: correct published=")
        for key, stamp in stamps.items():
            digests.setdefault(key, set()).add(stamp.manifest)
    return digests


class _Cleaner:
    """Decides what goes."""

    def __init__(
        self,
        staging: Location,
        keep: Keep,
        now: int,
        published: Mapping[str, Set[str]],
        found: Sequence[StagedIdentity],
    ) -> None:
        self._keep, self._now, self._published = keep, now, published
        # What names scores was written after them.
        oldest = min(file.info.mtime_ns for each in found for file in each.files)
        runs = checked_runs(staging, oldest)
        kept = [run for rank, run in enumerate(runs) if rank < (keep.runs or 0) or self._is_recent(run)]
        self._checked = {name for run in kept for name in run.scores | run.challenger}
        ever = {name for run in runs for name in run.scores}
        compared = {name for run in runs for name in run.challenger} - ever
        by_partition: dict[str, list[tuple[int, str]]] = {}
        for each in found:
            if each.committed_ns is not None and each.name not in compared:
                by_partition.setdefault(each.partition, []).append((each.committed_ns, each.identity))
        # Of several that are equally new (stores count in seconds) none goes.
        last = {key: sorted(those)[-(keep.runs or 1) :][0][0] for key, those in by_partition.items()}
        self._newest = {
            f"{key}/{identity}" for key, those in by_partition.items() for at, identity in those if at >= last[key]
        }

    def is_old(self, time_ns: int) -> bool:
        """Whether nobody can be at work on what was written then."""
        return self._now - time_ns >= self._keep.min_age_hours * _HOUR_NS

    def goes(self, each: StagedIdentity) -> bool:
        """Whether an identity goes. What is published is looked up last: it takes a request."""
        if not self.is_old(each.newest_ns):
            return False
        if each.is_removed:
            return self._now - each.newest_ns >= _NOTE_HOURS * _HOUR_NS
        if each.committed_ns is None:
            return True
        if each.name in self._newest or each.name in self._checked or self._is_within_days(each.committed_ns):
            return False
        return not self._is_published(each)

    def _is_recent(self, run: CheckedRun) -> bool:
        """Whether it may be about to publish what it was checked with, or was checked in the last days."""
        return self._is_within_days(run.time_ns) or not self.is_old(run.time_ns)

    def _is_within_days(self, time_ns: int) -> bool:
        return self._keep.days is not None and self._now - time_ns <= self._keep.days * 24 * _HOUR_NS

    def _is_published(self, each: StagedIdentity) -> bool:
        digests = self._published.get(each.partition)
        if not digests:
            return False
        return any(_digest(each.folder.at(file.info.uri)) in digests for file in each.manifests)


def _digest(manifest: Location) -> str:
    """Of its bytes; empty if another cleaner has just removed it."""
    try:
        return hashlib.sha256(storage.read_bytes(manifest)).hexdigest()
    except FileNotFoundError:
        return ""


def _removed(each: StagedIdentity, why: Why, files: Sequence[StagedFile]) -> Removed:
    moment = None if each.committed_ns is None else datetime.fromtimestamp(each.committed_ns / 1e9, UTC)
    size = sum(file.info.size for file in files)
    return Removed(
        each.partition, each.identity, why, len(files), size, moment.isoformat(timespec="seconds") if moment else None
    )


def _why(each: StagedIdentity) -> Why:
    return "old" if each.committed_ns is not None else "note" if each.is_removed else "unfinished"


def _remove(each: StagedIdentity) -> bool:
    """Revoke the commit, and then remove what was listed; False if a scorer has just committed."""
    why = _why(each)
    if why == "note":
        _delete(each, each.files)
        return True
    if not revoke(each.folder, each.number):
        log.info("partition %s: %s is in use, and stays", each.partition, each.folder)
        return False
    log.info("partition %s: %s is removed (%s)", each.partition, each.folder, why)
    storage.each(lambda file: empty(each.folder.at(file.info.uri)), each.full_manifests, each.folder.uri)
    _delete(each, each.data)
    return True


def _delete(each: StagedIdentity, files: Sequence[StagedFile]) -> None:
    storage.each(lambda file: storage.delete(each.folder.at(file.info.uri)), files, each.folder.uri)
    if not each.folder.is_local:
        return
    root = storage.locate(each.folder.uri)[1]
    parents = {str(parent) for file in files for parent in PurePath(file.below).parents}
    for folder in sorted({os.path.normpath(os.path.join(root, each)) for each in parents}, key=len, reverse=True):
        with suppress(OSError):  # not empty
            os.rmdir(folder)
