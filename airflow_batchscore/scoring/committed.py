"""What of a partition is committed: found before anything is scored, and added to when it is.

A commit takes the number after the manifest that its scorer saw when it began. A scorer that was stopped, overtaken and
woken finds that number taken, and uses what is there: the same identity, committed after it began.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.errors import InputError
from airflow_batchscore.scoring.identity import score_identity
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import Manifest, manifest_uri, newest_number
from airflow_batchscore.scoring.part import require_limit
from airflow_batchscore.scoring.planned import Planned, Planner

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """What storage says of a partition before anything is scored.

    Attributes:
        partition: held to its bytes as they were looked at.
        folder: of the identity.
        number: of the manifest that counts; 0 where there is none.
        committed: that manifest; None where there is none, or where it may not be used for this job.
    """

    partition: Partition
    planned: Planned
    identity: str
    folder: str
    number: int
    committed: Manifest | None

    def is_done(self, job: ScoringJob) -> bool:
        """Whether nothing has to be scored."""
        return self.committed is not None and not (job.replay and self.committed.account.rows_quarantined)


def look(job: ScoringJob, planner: Planner, values: Values) -> Found:
    """Look at a partition's input and at what is committed of it.

    Raises:
        InputError: the partition is not there, lacks a file that it had when it was planned, or its manifest was
            altered.
        ScoringError: what is committed has more rows in quarantine than this job allows.
    """
    partition = job.dataset.pin(job.dataset.partition(values))
    _require_planned_files(job, partition)
    planned = planner.plan(partition)
    accepted = [name for name in ("allow_nan", "allow_empty") if getattr(job, name)]
    identity = score_identity(
        job.dataset,
        partition.fingerprint,
        work=planned.work.identity(),
        columns=[planned.types, planned.key_types],
        keys=planned.keys,
        accepted=accepted,
    )
    folder = storage.join(job.output_uri, partition_key(values), identity[:16])
    number = newest_number(folder, job.conn_id)
    committed = _usable(job, folder, number) if number else None
    if committed is not None and not job.replay:
        require_limit(job.limit, committed.blocks, f"partition {committed.key}", folder)
    return Found(partition, planned, identity, folder, number, committed)


def _require_planned_files(job: ScoringJob, partition: Partition) -> None:
    planned = job.files.get(partition.key, 0)
    if len(partition.files) < planned:
        raise InputError(
            f"partition {partition.key} had {planned} files when it was planned, now {len(partition.files)} are there "
            f"({', '.join(file.uri for file in partition.files[:20])}). Restore the missing one, or plan again: clear "
            "the plan's task with all that comes after it"
        )


def _usable(job: ScoringJob, folder: str, number: int) -> Manifest | None:
    """The manifest that counts, if this job may use it: one with a token scores again once, whatever came later."""
    if job.token is None:
        return Manifest.read(manifest_uri(folder, number), job.conn_id)
    newest = _readable(job, folder, number)
    own = (_readable(job, folder, earlier) for earlier in range(number, 0, -1))
    return newest if any(manifest is not None and manifest.token == job.token for manifest in own) else None


def _readable(job: ScoringJob, folder: str, number: int) -> Manifest | None:
    """A manifest, None where it is gone or damaged: scoring again must not stumble over what it is to replace."""
    try:
        return Manifest.read(manifest_uri(folder, number), job.conn_id)
    except InputError as error:
        log.warning("%s: it is not used", error)
        return None


def commit(job: ScoringJob, manifest: Manifest, found: Found) -> tuple[Manifest, bool]:
    """Commit what was scored. The manifest with its digest, and whether it is one that came first.

    One that another scorer committed meanwhile is used instead, as it is newer than all that this scorer could have
    used; only a forced scoring does not take one that was not, as that may hold parts of long ago.
    """
    number = found.number
    while True:
        number += 1
        committed = replace(manifest, uri=manifest_uri(found.folder, number)).commit()
        if committed is not None:
            return committed, False
        number = max(number, newest_number(found.folder, job.conn_id))
        newer = Manifest.read(manifest_uri(found.folder, number), job.conn_id)
        if newer is not None and (job.token is None or newer.token is not None):
            log.warning("partition %s was committed meanwhile (%s): that is used", manifest.key, newer.uri)
            return newer, True
