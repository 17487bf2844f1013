"""`score_block`: read one block, predict, write one part. The same function on every engine; no Airflow here."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.blocks import Block, read
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.inference import reading_types
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.errors import BatchScoreError, OutputError, RecipeError, ScoringError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import LoadedModel, ModelManifest
from airflow_batchscore.model.outputs import check_method, output_columns
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality import profile, quarantine
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.manifest import BlockResult

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

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
    folder: str
    prefix: str
    limit: quarantine.Limit
    allow_nan: bool
    conn_id: str | None

    def part_name(self, index: int) -> str:
        return f"part-{self.prefix}-{index:05d}.parquet"


@dataclass(frozen=True)
class _Scored:
    """Results of some consecutive rows: which of them were scored, and what came out."""

    rows: np.ndarray
    columns: dict[str, np.ndarray]
    features: profile.Counts


def columns_to_read(manifest: ModelManifest, dataset: PartitionedDataset, keys: Sequence[str]) -> dict[str, str | None]:
    """Raw columns that the recipe and the keys need, with the types training found."""
    recipe, signature = manifest.recipe, manifest.signature
    if recipe.columns is not None:
        names = list(recipe.columns)
    elif recipe.features is None:
        names = list(signature.features)
    else:
        names = [name for name in signature.raw if name != recipe.target_column]
    return reading_types(dataset, signature.raw, names, keys)


def output_schema(manifest: ModelManifest, job: BlockJob, types: dict[str, pa.DataType]) -> pa.Schema:
    """Keys as they are read, then the prediction columns as training saw them."""
    import pyarrow as pa

    outputs = manifest.signature.outputs[job.method]
    both = sorted(set(job.keys) & set(outputs))
    if both:
        raise OutputError(f"the keys {both} have the name of an output column; rename them in the input, or drop them")
    fields = [pa.field(key, types[key]) for key in job.keys]
    return pa.schema(fields + [pa.field(name, pa.type_for_alias(alias)) for name, alias in outputs.items()])


def score_block(job: BlockJob, block: Block) -> BlockResult:
    """Score one block and write its part; the part's footer carries the result for a later resume.

    Raises:
        BoundaryError: the block's file cannot be cut and must be read as a stream.
        BatchScoreError: with the partition and the block named; a retry cannot mend it.
    """
    try:
        return _score_block(job, block)
    except BatchScoreError as error:
        raise type(error)(f"partition {partition_key(job.partition)}, {block.name}: {error}") from error


def _score_block(job: BlockJob, block: Block) -> BlockResult:
    import pyarrow.parquet as pq

    model = artifact.load(job.model)
    check_method(model.estimator, job.method, f"model {job.model.uri}")
    types = columns_to_read(model.manifest, job.dataset, job.keys)
    account, bad = Account(), list[BadRow]()
    features: profile.Counts = {}
    predictions: profile.Counts = {}
    bins = model.manifest.profile["outputs"].get(job.method, {}).get("bins", {})
    writer: pq.ParquetWriter | None = None
    uri = storage.join(job.folder, job.part_name(block.index))
    with storage.atomic_file(uri, job.conn_id) as path:
        try:
            for batch in _batches(job, block, types):
                if writer is None:
                    schema = output_schema(model.manifest, job, {f.name: f.type for f in batch.table.schema})
                    writer = pq.ParquetWriter(path, schema)
                table, counts, failed = _score_batch(job, model, batch, writer.schema)
                writer.write_table(table)
                here = [*batch.bad, *failed]
                bad += here
                account += Account(
                    batch.rows_read, table.num_rows, batch.rows_read - table.num_rows - len(here), len(here)
                )
                features = profile.merge(features, counts)
                predictions = profile.merge(
                    predictions, profile.count(table.select(list(bins)).to_pandas(), bins) if bins else {}
                )
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


def _score_batch(
    job: BlockJob, model: LoadedModel, batch: Batch, schema: pa.Schema
) -> tuple[pa.Table, profile.Counts, list[BadRow]]:
    """Scores of a batch in the order of its rows, the profile of its features, and the rows that failed."""
    import numpy as np
    import pyarrow as pa

    if not batch.table.num_rows:
        return schema.empty_table(), {}, []
    frame = batch.table.to_pandas()
    allowed = _allowed(job, len(frame))
    done, failed = quarantine.score_rows(frame, lambda rows: _score_frame(job, model, rows), allowed)
    rows = np.concatenate([start + scored.rows for start, scored in done]) if done else np.array([], dtype=np.int64)
    tables = []
    for start, scored in done:
        keys = batch.table.select(list(job.keys)).take(pa.array(start + scored.rows))
        columns = [keys.column(key) for key in job.keys]
        columns += [_as_column(scored.columns, field) for field in schema if field.name not in job.keys]
        tables.append(pa.table(columns, schema=schema))
    counts: profile.Counts = {}
    for _, scored in done:
        counts = profile.merge(counts, scored.features)
    table = pa.concat_tables(tables) if tables else schema.empty_table()
    if table.num_rows != len(rows):
        raise ScoringError(f"{len(rows)} rows were scored but {table.num_rows} predictions came out")
    return table, counts, [_bad_row(batch, row, error) for row, error in failed]


def _allowed(job: BlockJob, rows: int) -> int:
    limit = job.limit.value
    return limit if isinstance(limit, int) else int(limit * rows)


def _score_frame(job: BlockJob, model: LoadedModel, frame: pd.DataFrame) -> _Scored:
    """Features and predictions of raw rows whose index is 0 to n-1."""
    import numpy as np

    manifest = model.manifest
    made = manifest.recipe.apply(frame)
    rows = made.index.to_numpy(dtype=np.int64)
    missing = [name for name in manifest.signature.features if name not in made.columns]
    if missing:
        raise RecipeError(f"the features lack {missing}, which the model was trained on; it has {list(made.columns)}")
    inputs = made[list(manifest.signature.features)]
    bins = manifest.profile["features"]["bins"]
    if not len(inputs):
        return _Scored(rows, {}, {})
    values = getattr(model.estimator, job.method)(inputs)
    columns = output_columns(model.estimator, values, job.method)
    for name, array in columns.items():
        if len(array) != len(inputs):
            raise ScoringError(f"{job.method} gave {len(array)} predictions in {name!r} for {len(inputs)} rows")
        if not job.allow_nan and array.dtype.kind == "f" and not np.isfinite(array).all():
            count = int((~np.isfinite(array)).sum())
            raise ScoringError(
                f"{count} of {len(array)} predictions are NaN or infinite; mend the recipe or the model, or "
                "accept them with allow_nan=True"
            )
    return _Scored(rows, columns, profile.count(inputs, bins))


def _as_column(columns: dict[str, np.ndarray], field: pa.Field) -> pa.Array:
    import pyarrow as pa

    if not columns:
        return pa.array([], field.type)
    if field.name not in columns:
        raise ScoringError(f"the model gave the columns {sorted(columns)}; training recorded {field.name!r}")
    array = pa.array(columns[field.name])
    return array if array.type == field.type else array.cast(field.type)


def _bad_row(batch: Batch, row: int, error: Exception) -> BadRow:
    raw = {
        name: None if value is None else str(value) for name, value in batch.table.slice(row, 1).to_pylist()[0].items()
    }
    return BadRow(int(batch.positions[row]), type(error).__name__, str(error)[:2000], raw)


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
