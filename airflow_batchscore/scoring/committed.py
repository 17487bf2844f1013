"""The committed state of a partition: found before anything is scored, and extended by a commit.

A commit takes the number after the manifest that its scorer saw when it began. A scorer that was suspended and
overtaken finds that number taken, and uses the existing manifest: the same identity, committed after the scorer began.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.data.shared_files import SharedFiles, digest_of
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputChangedError, InputError
from airflow_batchscore.scoring.identity import score_identity
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.manifest_numbers import newest_number, numbered
from airflow_batchscore.scoring.part import require_limit
from airflow_batchscore.scoring.prepare import Prepared, Preparer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartitionState:
    """What storage has for a partition before anything is scored.

    Attributes:
        partition: pinned to its bytes as they are now.
        folder: of the identity.
        number: of the manifest that counts; 0 if there is none.
        committed: that manifest; None if there is none, or if this job may not use it.
        is_removed: whether the scores of that number were removed: parts from before do not count.
    """

    partition: Partition
    prepared: Prepared
    identity: str
    folder: Location
    number: int
    committed: Manifest | None
    is_removed: bool = False

    def is_done(self, job: ScoringJob) -> bool:
        """Whether there is nothing to score."""
        return self.committed is not None and not (job.replay and self.committed.account.rows_quarantined)


def partition_state(
    job: ScoringJob, preparer: Preparer, values: Values, files: SharedFiles | None = None
) -> PartitionState:
    """Check a partition's input and what is already committed for it.

    Args:
        files: of several partitions that are looked at together; None: of this one.

    Raises:
        InputError: the partition does not exist, lacks a file that it had when it was planned, divides files that
            changed since, or its manifest was altered.
        ScoringError: the committed scores have more rows in quarantine than this job allows.
    """
    partition = (files or SharedFiles(job.dataset)).partition(values)
    _require_planned_files(job, partition)
    prepared = preparer.prepare(partition)
    accepted = [name for name in ("allow_nan", "allow_empty") if getattr(job, name)]
    identity = score_identity(
        job.dataset,
        partition.fingerprint,
        scorer=prepared.scorer.identity(),
        columns=[prepared.types, prepared.key_types],
        keys=prepared.keys,
        accepted=accepted,
    )
    folder = job.output / partition_key(values) / identity[:16]
    number = newest_number(folder)
    newest = _newest(job, folder, number) if number else None
    committed = newest if newest is not None and _may_use(job, folder, number) else None
    if committed is not None and not job.replay:
        require_limit(job.limit, committed.blocks, f"partition {committed.key}", folder)
    return PartitionState(partition, prepared, identity, folder, number, committed, bool(number) and newest is None)


def _require_planned_files(job: ScoringJob, partition: Partition) -> None:
    planned = job.files.get(partition.key, 0)
    if len(partition.files) < planned:
        raise InputError(
            f"partition {partition.key} had {planned} files when it was planned, now {len(partition.files)} are there "
            f"({', '.join(file.uri for file in partition.files[:20])}). Restore the missing one, or plan again: clear "
            "the plan's task with all that comes after it"
        )
    if job.inputs and digest_of(partition) != job.inputs:
        raise InputError(
            f"partition {partition.key}: {partition.files[0].uri}{' and others' if len(partition.files) > 1 else ''}: "
            "the files changed after the run was planned (one was replaced, added or removed). Their rows are divided "
            "among all partitions of the run, so some would be scored twice and others never. Plan again: clear the "
            "plan's task with all that comes after it"
        )


def _newest(job: ScoringJob, folder: Location, number: int) -> Manifest | None:
    """The manifest that counts; None if the scores were removed."""
    return (Manifest.read if job.token is None else _readable)(numbered(folder, number))


def _may_use(job: ScoringJob, folder: Location, number: int) -> bool:
    """Whether this job may use what is committed: one with a token scores once more, whatever came later."""
    if job.token is None:
        return True
    own = (_readable(numbered(folder, earlier)) for earlier in range(number, 0, -1))
    return any(manifest is not None and manifest.token == job.token for manifest in own)


def _readable(location: Location) -> Manifest | None:
    """A manifest; None if it is gone or damaged: rescoring must not fail on what it is to replace."""
    try:
        return Manifest.read(location)
    except InputError as error:
        log.warning("%s: it is not used", error)
        return None


def commit(job: ScoringJob, manifest: Manifest, state: PartitionState) -> tuple[Manifest, bool]:
    """Commit what was scored. Returns the manifest with its digest, and whether another scorer's came first.

    A manifest that another scorer committed meanwhile is used instead, as it is newer than any that this scorer could
    have used; only a forced scoring refuses one that was not forced, as that may hold old parts.

    Raises InputChangedError if the staged scores were removed meanwhile, with parts of this attempt.
    """
    number = state.number
    while True:
        number += 1
        committed = replace(manifest, uri=numbered(state.folder, number).uri).commit()
        if committed is not None:
            return committed, False
        number = max(number, newest_number(state.folder))
        since = [Manifest.read(numbered(state.folder, each)) for each in range(state.number + 1, number + 1)]
        newer = since[-1]
        if newer is not None and (job.token is None or newer.token is not None):
            log.warning("partition %s was committed meanwhile (%s): that is used", manifest.key, newer.uri)
            return newer, True
        if None in since:
            raise InputChangedError(
                f"partition {manifest.key}: its staged scores were removed (CleanStagingOperator, batchscore clean) "
                "after this attempt had begun, and parts of it with them: it stood still for longer than the cleaning "
                "waits (min_age_hours). Nothing was committed; a retry scores the partition again"
            )
