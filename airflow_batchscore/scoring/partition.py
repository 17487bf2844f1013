"""Score one partition: find what is done, score the missing blocks, check the account, commit.

Below ``<output_uri>/<partition>/<identity>/`` lie the layout (``blocks-*.json``, written first), a part a block, and
the manifest, written last. A retry uses the layout it finds and scores the blocks whose part is not there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import airflow_batchscore
from airflow_batchscore.data import storage
from airflow_batchscore.data.blocks import Block, BoundaryError, cut, layout_from_json, layout_to_json, require_columns
from airflow_batchscore.data.dataset import Fingerprint, Partition, PartitionedDataset
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.engine.base import Engine, Session
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.model.outputs import METHODS
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.batch import kept_outputs
from airflow_batchscore.scoring.block import BlockJob, columns_to_read, read_result, score_block
from airflow_batchscore.scoring.identity import score_identity
from airflow_batchscore.scoring.manifest import BlockResult, Manifest

log = logging.getLogger(__name__)

DEFAULT_BLOCK_ROWS = 250_000
DEFAULT_LIMIT = Limit(1000)

#: Called after each block with (blocks done, blocks in all, account so far).
Progress = Callable[[int, int, Account], None]


@dataclass(frozen=True)
class ScoringJob:
    """What to score and how; see `ScorePartitionOperator` for the meaning of each.

    Attributes:
        token: None reuses what is committed; a text (the run's id) scores again once for that text.
        replay: score the blocks of a committed partition again that have rows in quarantine.
    """

    dataset: PartitionedDataset
    model: ModelRef
    output_uri: str
    method: str = "predict"
    keys: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    block_rows: int = DEFAULT_BLOCK_ROWS
    limit: Limit = DEFAULT_LIMIT
    allow_nan: bool = False
    allow_empty: bool = False
    token: str | None = None
    replay: bool = False
    conn_id: str | None = None


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
    if job.method not in METHODS or job.method not in model.signature.outputs:
        has = ", ".join(model.signature.outputs)
        raise ModelError(f"model {job.model.uri}: {model.estimator} has no {job.method!r}; it has {has}")
    kept_outputs(model, job.method, job.outputs)
    _warn_of_recipe(job, model)
    with engine.session(slots) as session:
        return [_score_partition(job, model, values, engine, session, progress) for values in partitions]


def _warn_of_recipe(job: ScoringJob, model: ModelManifest) -> None:
    if model.recipe.digest != model.recipe_digest:
        log.warning(
            "the recipe's code (%r) has changed since model %s was trained with it; train it again if the change "
            "alters the features",
            model.recipe,
            job.model.uri,
        )


def _score_partition(
    job: ScoringJob,
    model: ModelManifest,
    values: Values,
    engine: Engine,
    session: Session,
    progress: Progress | None,
) -> tuple[Manifest, bool]:
    began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    key = partition_key(values)
    partition = job.dataset.partition(values)
    fingerprint = job.dataset.fingerprint(partition)
    keys = model.recipe.keys if job.keys is None else job.keys
    identity = score_identity(
        job.dataset,
        fingerprint,
        model_digest=job.model.digest,
        recipe_digest=model.recipe.digest,
        method=job.method,
        keys=keys,
        outputs=job.outputs,
    )
    folder = storage.join(job.output_uri, key, identity[:16])
    manifest_uri = storage.join(folder, "manifest.json")
    committed = Manifest.read(manifest_uri, job.conn_id)
    replayed: Manifest | None = None
    if committed is not None and job.token in (None, committed.token):
        if not job.replay or not committed.account.rows_quarantined:
            log.info("partition %s is committed already (%s): reused, nothing is scored", key, manifest_uri)
            return committed, True
        log.info("partition %s: %d rows in quarantine are scored again", key, committed.account.rows_quarantined)
        job, replayed = replace(job, token=committed.token), committed

    block_job = BlockJob(
        job.dataset, values, job.model, job.method, keys, job.outputs, folder, "", job.limit, job.allow_nan, job.conn_id
    )
    scored = _Partition(job, block_job, partition, columns_to_read(model, job.dataset, keys), session, progress, replayed)
    results, rows_now = scored.run()
    _unchanged(job.dataset, values, fingerprint)
    account = sum((result.account for result in results), Account()).check(f"partition {key}")
    if account.rows_read == 0 and not job.allow_empty:
        files = ", ".join(file.uri for file in partition.files)
        raise InputError(
            f"partition {key}: {files} holds a header but no rows. Nothing was committed; if a partition without "
            "rows is right, set allow_empty=True"
        )
    manifest = Manifest(
        uri=manifest_uri,
        partition=values,
        identity=identity,
        dataset=job.dataset.uri,
        files=fingerprint.to_list(),
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


@dataclass(frozen=True)
class _Partition:
    """One attempt at the blocks of a partition."""

    job: ScoringJob
    block_job: BlockJob
    partition: Partition
    types: dict[str, str | None]
    session: Session
    progress: Progress | None
    replayed: Manifest | None

    def run(self) -> tuple[list[BlockResult], int]:
        """The results of all blocks in order, and the rows that this attempt read itself."""
        layout = self._layout()
        while True:
            try:
                return self._score(layout)
            except BoundaryError as error:
                cut_up = [block.source.uri for block in layout if block.source.kind == "bytes"]
                if not cut_up:
                    raise
                log.warning("%s: reading the partition's CSV files as single streams, which is slower", error)
                layout = self._new_layout(stream=cut_up)

    def _layout(self) -> list[Block]:
        stored = storage.read_json(self._layout_uri, self.job.conn_id)
        return layout_from_json(stored) if stored is not None else self._new_layout()

    @property
    def _layout_uri(self) -> str:
        token = hashlib.sha256(self.job.token.encode()).hexdigest()[:8] if self.job.token else "shared"
        return storage.join(self.block_job.folder, f"blocks-{token}.json")

    @property
    def _remote(self) -> bool:
        return not (storage.is_local(self.job.dataset.uri) and storage.is_local(self.job.output_uri))

    def _new_layout(self, stream: Sequence[str] = ()) -> list[Block]:
        """Cut, check the columns before anything is scored, and write it down for a retry."""
        layout = cut(
            self.job.dataset,
            self.partition,
            block_rows=self.job.block_rows,
            columns=list(self.types),
            block_memory=self.session.block_memory,
            stream=stream,
        )
        for source in dict.fromkeys(block.source for block in layout):
            require_columns(source, list(self.types), partition_key=self.partition.key)
        storage.write_json(self._layout_uri, layout_to_json(layout), self.job.conn_id)
        return layout

    def _score(self, layout: Sequence[Block]) -> tuple[list[BlockResult], int]:
        named: list[Any] = [layout_to_json(layout), self.job.token]
        done: dict[int, BlockResult] = {}
        if self.replayed is not None:
            named.append(self.replayed.replays + 1)
            done = {block.index: block for block in self.replayed.blocks if block.quarantine is None}
        job = replace(self.block_job, prefix=hashlib.sha256(json.dumps(named).encode()).hexdigest()[:8])
        done |= self._written(job, layout)
        if done:
            log.info("partition %s: %d of %d blocks are there already", self.partition.key, len(done), len(layout))
        missing = [block for block in layout if block.index not in done]
        rows_now = 0
        if self.progress and done:
            self._report(done, layout)
        if missing:
            for result in self.session.run(score_block, [(job, block) for block in missing], remote=self._remote):
                done[result.index] = result
                rows_now += result.account.rows_read
                self._report(done, layout)
        return [done[block.index] for block in layout], rows_now

    def _report(self, done: dict[int, BlockResult], layout: Sequence[Block]) -> None:
        if self.progress:
            self.progress(len(done), len(layout), sum((result.account for result in done.values()), Account()))

    def _written(self, job: BlockJob, layout: Sequence[Block]) -> dict[int, BlockResult]:
        """Results of the parts that lie there, from their footers: no finished input is read again."""
        names = {job.part_name(block.index) for block in layout}
        parts = [file for file in storage.list_files(job.folder, job.conn_id) if file.uri.rpartition("/")[2] in names]
        results = storage.each(lambda file: read_result(file.uri, file.size, job.conn_id), parts, job.folder)
        return {result.index: result for result in results if result is not None}


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
