"""`score_block`: read one block, predict, write one part. The same function on every engine; no Airflow here."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.blocks import Block, read
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.inference import reading_types
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.engine.rerun import may_be_a_rerun
from airflow_batchscore.engine.single_thread import hold_to_one_thread
from airflow_batchscore.errors import BatchScoreError, ScoringError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality import profile, quarantine
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.batch import Scorer, kept_outputs, output_schema
from airflow_batchscore.scoring.manifest import BlockResult

if TYPE_CHECKING:
    import pyarrow.parquet as pq

log = logging.getLogger(__name__)

_FOOTER_KEY = b"batchscore"


@dataclass(frozen=True)
class BlockJob:
    """What a worker must know to score any block of a partition. Small and free of secrets.

    Attributes:
        folder: URI where parts go.
        prefix: names the layout, so that parts of two layouts never mix.
        limit: see `quarantine.Limit`.
    """

    dataset: PartitionedDataset
    partition: Values
    model: ModelRef
    method: str
    keys: tuple[str, ...]
    outputs: tuple[str, ...] | None
    folder: str
    prefix: str
    limit: quarantine.Limit
    allow_nan: bool
    trusted_types: tuple[str, ...]
    conn_id: str | None

    def part_name(self, index: int) -> str:
        return f"part-{self.prefix}-{index:05d}.parquet"


def columns_to_read(manifest: ModelManifest, declared: Mapping[str, str], keys: Sequence[str]) -> dict[str, str | None]:
    """Raw columns that the recipe and the keys need, with the types training found, or those declared."""
    recipe, signature = manifest.recipe, manifest.signature
    if recipe.columns is not None:
        names = list(recipe.columns)
    elif recipe.features is None:
        names = list(signature.features)
    else:
        names = [name for name in signature.raw if name != recipe.target_column]
    return reading_types(declared, signature.raw, names, keys)


def score_block(job: BlockJob, block: Block) -> BlockResult:
    """Score one block and write its part; the part's footer carries the result for a later resume.

    A cluster runs a block again when its worker died; if that was after the part was written, the part stands.

    Raises:
        BoundaryError: the block's file cannot be cut and must be read as a stream.
        BatchScoreError: with the partition and the block named; a retry cannot mend it.
        OSError: likewise; storage failed, which a retry may mend.
    """
    try:
        if may_be_a_rerun():
            there = _written_before(job, block)
            if there is not None:
                return there
        return _score_block(job, block)
    except BatchScoreError as error:
        raise type(error)(f"partition {partition_key(job.partition)}, {block.name}: {error}") from error
    except OSError as error:
        raise OSError(f"partition {partition_key(job.partition)}, {block.name}: {error}") from error


def _score_block(job: BlockJob, block: Block) -> BlockResult:
    import pyarrow as pa
    import pyarrow.parquet as pq

    model = artifact.load(job.model, job.trusted_types)
    hold_to_one_thread()
    outputs = kept_outputs(model.manifest, job.method, job.outputs)
    scorer = Scorer(model, job.method, job.keys, list(outputs), job.limit, allow_nan=job.allow_nan)
    types = columns_to_read(model.manifest, job.dataset.column_types, job.keys)
    account, bad = Account(), list[BadRow]()
    features: profile.Counts = {}
    predictions: profile.Counts = {}
    writer: pq.ParquetWriter | None = None
    uri = storage.join(job.folder, job.part_name(block.index))
    with storage.atomic_file(uri, job.conn_id) as path:
        try:
            for batch in _batches(job, block, types):
                if writer is None:
                    key_types = {field.name: field.type for field in batch.table.schema}
                    schema = output_schema(outputs, job.keys, key_types)
                    # A dictionary pays for text; for predictions and ids it doubles the time of a block.
                    text = [field.name for field in schema if pa.types.is_string(field.type)]
                    writer = pq.ParquetWriter(path, schema, use_dictionary=text)
                scored = scorer.score(batch, writer.schema)
                if scored.table.num_rows:
                    writer.write_table(scored.table)
                here = [*batch.bad, *scored.failed]
                bad += here
                account += Account(batch.rows_read, scored.table.num_rows, scored.skipped, len(here))
                features = profile.merge(features, scored.features)
                predictions = profile.merge(predictions, scored.predictions)
                _check_limit(job, bad, account)
            assert writer is not None, "a reader yields at least one batch"
            account.check(f"partition {partition_key(job.partition)}, {block.name}")
            result = BlockResult(block.index, job.part_name(block.index), None, 0, account, features, predictions)
            if bad:
                result = replace(result, quarantine=_write_quarantine(job, block, bad))
            writer.add_key_value_metadata({_FOOTER_KEY: json.dumps(result.to_dict()).encode()})
        finally:
            if writer is not None:
                writer.close()
        size = path.stat().st_size
    return replace(result, bytes=size)


def _written_before(job: BlockJob, block: Block) -> BlockResult | None:
    part = storage.stat(storage.join(job.folder, job.part_name(block.index)), job.conn_id)
    return read_result(part.uri, part.size, job.conn_id) if part else None


def read_result(uri: str, size: int, conn_id: str | None) -> BlockResult | None:
    """The result that a part's footer carries; None when the file is not a whole part of ours."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fs, path = storage.filesystem(uri, conn_id)
    try:
        with fs.open_input_file(path) as source:
            metadata = pq.read_metadata(source).metadata or {}
    except (pa.ArrowInvalid, FileNotFoundError):
        return None
    raw = metadata.get(_FOOTER_KEY)
    return replace(BlockResult.from_dict(json.loads(raw)), bytes=size) if raw else None


def _batches(job: BlockJob, block: Block, types: dict[str, str | None]) -> Any:
    """The block's batches, at least one: an empty block still writes a part with the right schema."""
    import numpy as np
    import pyarrow as pa

    from airflow_batchscore.data.csv_reader import arrow_type

    empty = True
    for batch in read(job.dataset, block, types):
        empty = False
        yield batch
    if empty:
        schema = pa.schema([(name, arrow_type(type_name or "string")) for name, type_name in types.items()])
        yield Batch(schema.empty_table(), np.array([], dtype=np.int64), [])


def _check_limit(job: BlockJob, bad: Sequence[BadRow], account: Account) -> None:
    if not job.limit.allows(len(bad), account.rows_read):
        row = bad[-1]
        raise ScoringError(
            f"{len(bad)} of {account.rows_read} rows cannot be scored, more than quarantine={job.limit.value} "
            f"allows; row {row.position} for one: {row.error}: {row.message}. Mend the data or the recipe; if the "
            "recipe does not need that column, name those it needs in Recipe(columns=[...])"
        )


def _write_quarantine(job: BlockJob, block: Block, bad: Sequence[BadRow]) -> str:
    name = f"quarantine/{job.part_name(block.index)}"
    quarantine.write(
        storage.join(job.folder, name),
        bad,
        partition=job.partition,
        block=block.index,
        source=block.source.uri,
        keys=job.keys,
        conn_id=job.conn_id,
    )
    log.warning(
        "partition %s, %s: %d rows were quarantined, the first: %s",
        partition_key(job.partition),
        block.name,
        len(bad),
        bad[0].message,
    )
    return name
