"""Score partitions: find what is done, score the rest, check the account, commit.

Below ``<output_uri>/<partition>/<identity>/`` lie the layout, a part a block, and the manifest. It is written last, and
is the commit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import airflow_batchscore
from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import Fingerprint, Partition, PartitionedDataset
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.engine.base import Engine, Session
from airflow_batchscore.errors import InputError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.attempt import Attempt
from airflow_batchscore.scoring.batch import kept_outputs
from airflow_batchscore.scoring.block import BlockJob, columns_to_read
from airflow_batchscore.scoring.identity import score_identity
from airflow_batchscore.scoring.job import Progress, ScoringJob
from airflow_batchscore.scoring.manifest import Manifest

log = logging.getLogger(__name__)


def score_partitions(
    job: ScoringJob, partitions: Sequence[Values], engine: Engine, *, slots: int = 1, progress: Progress | None = None
) -> list[tuple[Manifest, bool]]:
    """Score some partitions one after the other on one set of workers.

    Returns:
        A manifest for each, and whether it was committed before.

    Raises:
        BatchScoreError: see the message. The partitions before the one it names are committed.
    """
    model = artifact.read_manifest(job.model)
    kept_outputs(model, job.method, job.outputs)  # refuses what the model does not have
    _warn_of_recipe(job, model)
    found = _committed(job, model, partitions)
    with engine.session(slots) as session:
        return [
            (found[number], True)
            if number in found
            else _score_partition(job, model, values, engine, session, progress)
            for number, values in enumerate(partitions)
        ]


def _committed(job: ScoringJob, model: ModelManifest, partitions: Sequence[Values]) -> dict[int, Manifest]:
    """Of several partitions in a remote store, those that are committed: their few requests go side by side."""
    if storage.is_local(job.output_uri) or len(partitions) < 2:
        return {}

    def look(values: Values) -> Manifest | None:
        try:
            found = _look(job, model, values)
        except (InputError, OSError):  # said when it is this partition's turn
            return None
        return found.committed if found.is_done(job) else None

    looked = storage.each(look, partitions, job.output_uri)
    return {number: manifest for number, manifest in enumerate(looked) if manifest is not None}


def _warn_of_recipe(job: ScoringJob, model: ModelManifest) -> None:
    if model.recipe.digest != model.recipe_digest:
        log.warning(
            "the recipe's code (%r) has changed since model %s was trained with it; train it again if the change "
            "alters the features",
            model.recipe,
            job.model.uri,
        )


@dataclass(frozen=True)
class _Found:
    """What storage says of a partition before anything is scored."""

    partition: Partition
    fingerprint: Fingerprint
    identity: str
    manifest_uri: str
    committed: Manifest | None

    def is_reusable(self, job: ScoringJob) -> bool:
        """Whether what is committed may be used for this job, wholly or in part."""
        return self.committed is not None and job.token in (None, self.committed.token)

    def is_done(self, job: ScoringJob) -> bool:
        """Whether nothing has to be scored."""
        return (
            self.committed is not None
            and self.is_reusable(job)
            and not (job.replay and self.committed.account.rows_quarantined)
        )


def _keys(job: ScoringJob, model: ModelManifest) -> tuple[str, ...]:
    return model.recipe.keys if job.keys is None else job.keys


def _look(job: ScoringJob, model: ModelManifest, values: Values) -> _Found:
    partition = job.dataset.partition(values)
    fingerprint = job.dataset.fingerprint(partition)
    identity = score_identity(
        job.dataset,
        fingerprint,
        model_digest=job.model.digest,
        recipe_digest=model.recipe.digest,
        method=job.method,
        keys=_keys(job, model),
        outputs=job.outputs,
    )
    uri = storage.join(job.output_uri, partition_key(values), identity[:16], "manifest.json")
    return _Found(partition, fingerprint, identity, uri, Manifest.read(uri, job.conn_id))


def _score_partition(
    job: ScoringJob,
    model: ModelManifest,
    values: Values,
    engine: Engine,
    session: Session,
    progress: Progress | None,
) -> tuple[Manifest, bool]:
    began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    found = _look(job, model, values)
    key, partition, folder = partition_key(values), found.partition, storage.parent(found.manifest_uri)
    replayed = found.committed if found.is_reusable(job) else None
    if found.is_done(job) and replayed is not None:
        log.info("partition %s is committed already (%s): reused, nothing is scored", key, found.manifest_uri)
        return replayed, True
    if replayed is not None:
        log.info("partition %s: %d rows in quarantine are scored again", key, replayed.account.rows_quarantined)
        job = replace(job, token=replayed.token)

    keys = _keys(job, model)
    block_job = BlockJob(
        dataset=job.dataset,
        partition=values,
        model=job.model,
        method=job.method,
        keys=keys,
        outputs=job.outputs,
        folder=folder,
        prefix="",
        limit=job.limit,
        allow_nan=job.allow_nan,
        trusted_types=job.trusted_types,
        conn_id=job.conn_id,
    )
    types = columns_to_read(model, job.dataset.column_types, keys)
    results, rows_now = Attempt(job, block_job, partition, types, session, progress, replayed).run()
    _unchanged(job.dataset, values, found.fingerprint)
    account = sum((result.account for result in results), Account()).check(f"partition {key}")
    if account.rows_read == 0 and not job.allow_empty:
        files = ", ".join(file.uri for file in partition.files)
        raise InputError(
            f"partition {key}: {files} holds a header but no rows. Nothing was committed; if a partition without "
            "rows is right, set allow_empty=True"
        )
    manifest = Manifest(
        uri=found.manifest_uri,
        partition=values,
        identity=found.identity,
        dataset=job.dataset.uri,
        files=found.fingerprint.to_list(),
        model={**job.model.to_dict(), "version": job.model.version},
        method=job.method,
        keys=list(keys),
        schema=_schema_of(storage.join(folder, results[0].part), job.conn_id),
        blocks=results,
        started=started,
        seconds=time.monotonic() - began,
        rows_this_attempt=rows_now,
        engine=engine.describe(),
        version=airflow_batchscore.__version__,
        token=job.token,
        replays=0 if replayed is None else replayed.replays + 1,
        conn_id=job.conn_id,
        account=account,
    )
    manifest.write()
    return manifest, False


def _unchanged(dataset: PartitionedDataset, values: Values, fingerprint: Fingerprint) -> None:
    now = dataset.fingerprint(dataset.partition(values))
    if now != fingerprint:
        changed = sorted({file[0] for file in set(now.files) ^ set(fingerprint.files)})
        raise InputError(
            f"partition {partition_key(values)}: {', '.join(changed)} changed while it was scored. Nothing was "
            "committed; run the task again when the file is complete"
        )


def _schema_of(uri: str, conn_id: str | None) -> dict[str, Any]:
    import pyarrow.parquet as pq

    fs, path = storage.filesystem(uri, conn_id)
    with fs.open_input_file(path) as source:
        schema = pq.read_schema(source)
    return {field.name: str(field.type) for field in schema}
