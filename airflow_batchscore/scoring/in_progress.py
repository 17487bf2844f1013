"""A partition that is being scored: begun, given the results of its blocks, checked, and committed.

``<output_uri>/<partition>/<identity>/`` contains the layout, a part per block, and the manifests. A manifest is written
last and is the commit.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime

import airflow_batchscore
from airflow_batchscore.data.dataset import Fingerprint
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.formats.parquet_footer import read_footer
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.pattern import Values, partition_key, shown
from airflow_batchscore.data.shared_files import SharedFiles
from airflow_batchscore.data.storage import Location
from airflow_batchscore.engine.base import Engine, Session
from airflow_batchscore.errors import InputChangedError, InputError
from airflow_batchscore.scoring import groups
from airflow_batchscore.scoring.attempt import Attempt
from airflow_batchscore.scoring.committed import PartitionState, commit, partition_state
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.part import BlockJob
from airflow_batchscore.scoring.prepare import Preparer
from airflow_batchscore.scoring.scorers.scorer import BatchRules

log = logging.getLogger(__name__)


def begin(
    job: ScoringJob, preparer: Preparer, values: Values, session: Session, files: SharedFiles | None = None
) -> PartitionInProgress | Manifest:
    """Begin to score a partition; its manifest, if it is committed already.

    Args:
        files: of partitions that begin together.

    Raises:
        BatchScoreError: it cannot be scored; the message names it.
    """
    return begin_from(job, partition_state(job, preparer, values, files), values, session)


def begin_from(
    job: ScoringJob, state: PartitionState, values: Values, session: Session, like: list[Block] | None = None
) -> PartitionInProgress | Manifest:
    """`begin`, where it is known what storage has; for `like` see `Attempt`."""
    committed = state.committed
    if committed is not None and state.is_done(job):
        log.info(
            "partition %s is committed already (%s): reused, nothing is scored", shown(committed.key), committed.uri
        )
        return committed
    if committed is not None:
        log.info(
            "partition %s: %d rows in quarantine are scored again",
            shown(committed.key),
            committed.account.rows_quarantined,
        )
        job = replace(job, token=committed.token)
    return PartitionInProgress(job, values, state, session.block_memory, like)


class PartitionInProgress:
    """A partition between its beginning and its commit.

    Attributes:
        attempt: which blocks are missing, and what those that were scored returned.
        seconds: of the task, as far as they were spent on this partition.
    """

    def __init__(
        self,
        job: ScoringJob,
        values: Values,
        state: PartitionState,
        block_memory: int | None,
        like: list[Block] | None = None,
    ) -> None:
        self.seconds = 0.0
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._job, self._values, self._state = job, values, state
        self.key = partition_key(values)
        prepared = state.prepared
        block_job = BlockJob(
            dataset=job.dataset.for_workers(),
            partition=values,
            scorer=prepared.scorer,
            types=prepared.types,
            key_types=prepared.key_types,
            rules=BatchRules(prepared.keys, job.limit, job.allow_nan),
            folder=state.folder,
            prefix="",
            inputs=state.partition.fingerprint.digest,
        )
        removed = state.number if state.is_removed else 0
        self.attempt = Attempt(job, block_job, state.partition, block_memory, state.committed, like, removed)

    def commit(self, engine: Engine, files: SharedFiles | None = None) -> tuple[Manifest, bool]:
        """Check the account of a complete attempt, and commit it.

        Args:
            files: as they were after the last result came; None looks at them now.

        Returns:
            The manifest, and whether another scorer's came first.

        Raises:
            InputChangedError: the input is not what was scored; a retry scores what it is by then.
            BatchScoreError: the account is not right; the message names the partition.
        """
        job, state, attempt, prepared = self._job, self._state, self.attempt, self._state.prepared
        fingerprint, replayed = state.partition.fingerprint, state.committed
        results = attempt.results()
        _unchanged(files or SharedFiles(job.dataset), self._values, fingerprint)
        account = attempt.account.check(f"partition {self.key}")
        if account.rows_read == 0 and not job.accepts_empty:
            names = ", ".join(file.uri for file in state.partition.files)
            raise InputError(
                f"partition {self.key}: {names} holds no rows. Nothing was committed; if a partition without "
                "rows is right, set allow_empty=True"
            )
        manifest = Manifest(
            uri="",
            partition=self._values,
            identity=state.identity,
            dataset=job.dataset.uri,
            files=fingerprint.inputs,
            model=prepared.model,
            method=prepared.scorer.method,
            keys=list(attempt.keys),
            schema=_schema_of(state.folder / results[0].part),
            blocks=results,
            started=self._started,
            ended=datetime.now(UTC).isoformat(timespec="milliseconds"),
            seconds=self.seconds,
            rows_this_attempt=account.rows_read - attempt.reused.rows_read,
            engine=engine.describe(),
            version=airflow_batchscore.__version__,
            layout=attempt.digest,
            token=job.token,
            replays=0 if replayed is None else replayed.replays + 1,
            outputs=prepared.outputs,
            choice=prepared.choice,
            conn_id=job.conn_id,
            account=account,
        )
        committed = commit(job, manifest, state)
        if prepared.scorer.unit == "group":
            groups.sweep(state.folder, results)
        return committed


def _unchanged(files: SharedFiles, values: Values, fingerprint: Fingerprint) -> None:
    now = files.partition(values).fingerprint
    if now != fingerprint:
        changed = sorted({file[0] for file in set(now.files) ^ set(fingerprint.files)})
        raise InputChangedError(
            f"partition {partition_key(values)}: {', '.join(changed)} changed while it was scored. Nothing was "
            "committed; a retry takes the file as it is then: let it come when it is complete"
        )


def _schema_of(part: Location) -> JsonObject:
    schema = read_footer(part).schema.to_arrow_schema()
    return {field.name: str(field.type) for field in schema}
