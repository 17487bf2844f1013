"""Score partitions: find what is done, score the rest, check the account, commit.

Below ``<output_uri>/<partition>/<identity>/`` lie the layout, a part per block, and the manifests. One is written last,
and is the commit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import airflow_batchscore
from airflow_batchscore.data import storage
from airflow_batchscore.data.apart import require_apart
from airflow_batchscore.data.dataset import Fingerprint, PartitionedDataset
from airflow_batchscore.data.parquet_footer import read_footer
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.engine.base import Engine, Session
from airflow_batchscore.errors import BatchScoreError, InputChangedError, InputError
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring import groups
from airflow_batchscore.scoring.attempt import Attempt
from airflow_batchscore.scoring.committed import commit, look
from airflow_batchscore.scoring.function import is_grouped
from airflow_batchscore.scoring.job import Progress, ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.part import BlockJob
from airflow_batchscore.scoring.planned import Planner

log = logging.getLogger(__name__)

#: What is written below a partition's identity is called like these.
_NAMES = ("part-0-00000.parquet", "manifests/000001.json")


def score_partitions(
    job: ScoringJob, partitions: Sequence[Values], engine: Engine, *, slots: int = 1, progress: Progress | None = None
) -> list[tuple[Manifest, bool]]:
    """Score some partitions one after the other on one set of workers.

    Returns:
        A manifest for each, and whether it was committed before.

    Raises:
        OutputError: what is written would be one of the data set's files.
        BatchScoreError: see the message. The partitions before the one it names are committed.
    """
    places = [storage.join(job.output_uri, partition_key(values), "identity") for values in partitions[:1]]
    require_apart(job.dataset.uri, [storage.join(place, name) for place in places for name in _NAMES])
    planner = Planner(job)
    found = _committed(job, planner, partitions)
    with engine.session(slots) as session:
        return [
            (found[number], True)
            if number in found
            else _score_partition(job, planner, values, engine, session, progress)
            for number, values in enumerate(partitions)
        ]


def _committed(job: ScoringJob, planner: Planner, partitions: Sequence[Values]) -> dict[int, Manifest]:
    """Of several partitions in a remote store, those that are committed: their few requests go side by side."""
    if storage.is_local(job.output_uri) or len(partitions) < 2:
        return {}

    def done(values: Values) -> Manifest | None:
        try:
            found = look(job, planner, values)
        except (BatchScoreError, OSError):  # said when it is this partition's turn
            return None
        return found.committed if found.is_done(job) else None

    looked = storage.each(done, partitions, job.output_uri)
    return {number: manifest for number, manifest in enumerate(looked) if manifest is not None}


def _score_partition(
    job: ScoringJob,
    planner: Planner,
    values: Values,
    engine: Engine,
    session: Session,
    progress: Progress | None,
) -> tuple[Manifest, bool]:
    began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    found = look(job, planner, values)
    key, partition, replayed = partition_key(values), found.partition, found.committed
    if found.is_done(job) and replayed is not None:
        log.info("partition %s is committed already (%s): reused, nothing is scored", key, replayed.uri)
        return replayed, True
    if replayed is not None:
        log.info("partition %s: %d rows in quarantine are scored again", key, replayed.account.rows_quarantined)
        job = replace(job, token=replayed.token)

    planned = found.planned
    block_job = BlockJob(
        dataset=job.dataset,
        partition=values,
        work=planned.work,
        types=planned.types,
        key_types=planned.key_types,
        keys=planned.keys,
        folder=found.folder,
        prefix="",
        limit=job.limit,
        allow_nan=job.allow_nan,
        conn_id=job.conn_id,
        inputs=partition.fingerprint.digest,
    )
    results, rows_now, layout = Attempt(job, block_job, partition, session, progress, replayed).run()
    _unchanged(job.dataset, values, partition.fingerprint)
    account = sum((result.account for result in results), Account()).check(f"partition {key}")
    if account.rows_read == 0 and not job.allow_empty:
        files = ", ".join(file.uri for file in partition.files)
        raise InputError(
            f"partition {key}: {files} holds a header but no rows. Nothing was committed; if a partition without "
            "rows is right, set allow_empty=True"
        )
    manifest = Manifest(
        uri="",
        partition=values,
        identity=found.identity,
        dataset=job.dataset.uri,
        files=partition.fingerprint.to_list(),
        model=planned.model,
        method=planned.work.method,
        keys=list(planned.keys),
        schema=_schema_of(storage.join(found.folder, results[0].part), job.conn_id),
        blocks=results,
        started=started,
        seconds=time.monotonic() - began,
        rows_this_attempt=rows_now,
        engine=engine.describe(),
        version=airflow_batchscore.__version__,
        layout=layout,
        token=job.token,
        replays=0 if replayed is None else replayed.replays + 1,
        outputs=planned.outputs,
        choice=planned.choice,
        conn_id=job.conn_id,
        account=account,
    )
    committed = commit(job, manifest, found)
    if is_grouped(planned.work):
        groups.sweep(found.folder, results, job.conn_id)
    return committed


def _unchanged(dataset: PartitionedDataset, values: Values, fingerprint: Fingerprint) -> None:
    now = dataset.fingerprint(dataset.partition(values))
    if now != fingerprint:
        changed = sorted({file[0] for file in set(now.files) ^ set(fingerprint.files)})
        raise InputChangedError(
            f"partition {partition_key(values)}: {', '.join(changed)} changed while it was scored. Nothing was "
            "committed; a retry takes the file as it is then: let it come when it is complete"
        )


def _schema_of(uri: str, conn_id: str | None) -> dict[str, Any]:
    schema = read_footer(uri, conn_id).schema.to_arrow_schema()
    return {field.name: str(field.type) for field in schema}
