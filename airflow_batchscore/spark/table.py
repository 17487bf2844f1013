"""Score one Spark table into another, for data that must not leave Spark: same checks, account and quarantine."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import airflow_batchscore
from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import GateError, InputError, ScoringError
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.reference import ModelRecord
from airflow_batchscore.model.trust import Trust
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.job import DEFAULT_LIMIT
from airflow_batchscore.spark.frames import DEFAULT_GROUP_ROWS, FrameJob, grouped

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

#: Columns of the staging table besides keys and outputs. Each of its rows is a scored row, a quarantined row, or the
#: account of a group of rows.
_BAD = ("batchscore_error", "batchscore_message", "batchscore_raw")
_COUNTS = ("batchscore_read", "batchscore_skipped")


@dataclass(frozen=True)
class TableScores:
    """Result of `score_table`: the manifest of a table.

    Attributes:
        quarantine_table: holds the rows that could not be scored; None if there were none.
        model: version, digests and URI.
        schema: columns of the output table, with Spark's types.
        account: rows read, scored, skipped and quarantined.
        application: Spark's id of the application.
    """

    table: str
    output_table: str
    quarantine_table: str | None
    model: ModelRecord
    method: str
    keys: tuple[str, ...]
    schema: dict[str, str]
    account: Account
    started: str
    seconds: float
    application: str
    version: str = airflow_batchscore.__version__


def score_table(
    spark: SparkSession,
    table: str | DataFrame,
    output_table: str,
    *,
    model: str,
    method: str = "predict",
    keys: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    quarantine: int | float | None = None,
    max_quarantined: int | float = 0,
    allow_nan: bool = False,
    group_rows: int = DEFAULT_GROUP_ROWS,
    trust: Trust | None = None,
    manifest_uri: str | None = None,
) -> TableScores:
    """Score every row of `table` and write keys and predictions to `output_table`, which is replaced.

    Rows go through a staging table beside the output, which is replaced only when every row is accounted for and the
    gate has passed. How atomic the last step is depends on the table format (Delta and Iceberg: fully).

    Args:
        spark: the session.
        table: name of a table or view, or a DataFrame.
        model, method, keys, outputs, allow_nan: see `ScorePartitionOperator`.
        quarantine: rows of a group (a count or a share) that may fail before scoring stops.
        max_quarantined: maximum rows in quarantine (a count or a share of all) for `output_table` to be replaced.
            They are written to ``<output_table>_quarantine`` in any case.
        group_rows: rows per call of the model.
        trust: folders, signatures and types that a model must have to be loaded, for example
            ``Trust(prefixes=(Location("s3://models"),))``; None trusts the one that `model` names, which is then the
            calling code's choice.
        manifest_uri: where the manifest is written as JSON, in addition to being returned.

    Driver and executors use their own identity on the storage of the model and the manifest.

    Raises:
        InputError: a column that the model needs is missing.
        ModelError: there is no such model, method or output, or the model is not trusted.
        ScoringError: the rows scored are not those of the table.
        GateError: too many rows are in quarantine; `output_table` is unchanged.
    """
    began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    frame = spark.table(table) if isinstance(table, str) else table
    name = table if isinstance(table, str) else "the DataFrame"
    limit = DEFAULT_LIMIT if quarantine is None else Limit.of(quarantine)
    job = FrameJob.of(model, OutputSpec.of(method, outputs), keys, limit, allow_nan=allow_nan, trust=trust)
    missing = [column for column in job.needed if column not in frame.columns]
    if missing:
        raise InputError(f"{name} lacks {missing}, which the model needs; it has {frame.columns}")
    frame = frame.select(*job.needed)

    staging = f"{output_table}_staging_{uuid.uuid4().hex[:8]}"
    quarantine_table = f"{output_table}_quarantine"
    try:
        _scored(job, frame, group_rows).write.saveAsTable(staging)
        staged = spark.table(staging)
        account = _account(staged).check(name)
        rows = frame.count()
        if rows != account.rows_read:
            raise ScoringError(
                f"{name} has {rows} rows, {account.rows_read} were read: it changed while it was scored, or its query "
                "gives other rows each time. Score a fixed version of it"
            )
        spark.sql(f"DROP TABLE IF EXISTS {quarantine_table}")
        if account.rows_quarantined:
            staged.where(f"{_BAD[0]} IS NOT NULL").select(*_BAD).write.saveAsTable(quarantine_table)
        if not Limit.of(max_quarantined).allows(account.rows_quarantined, rows):
            first = spark.table(quarantine_table).first()
            raise GateError(
                f"{name}: {account.rows_quarantined} of {rows} rows are in quarantine, more than max_quarantined="
                f"{max_quarantined} allows; {first} for one. {output_table} is as it was; see {quarantine_table}"
            )
        scored = staged.where(f"{_BAD[0]} IS NULL AND {_COUNTS[0]} IS NULL").drop(*_BAD, *_COUNTS)
        scored.write.mode("overwrite").saveAsTable(output_table)
    finally:
        spark.sql(f"DROP TABLE IF EXISTS {staging}")
    scores = TableScores(
        table=name,
        output_table=output_table,
        quarantine_table=quarantine_table if account.rows_quarantined else None,
        model=job.model.record(),
        method=method,
        keys=job.rules.keys,
        schema=dict(scored.dtypes),
        account=account,
        started=started,
        seconds=time.monotonic() - began,
        application=spark.sparkContext.applicationId,
    )
    if manifest_uri:
        storage.write_json(Location(manifest_uri), asdict(scores))
    return scores


def _scored(job: FrameJob, frame: DataFrame, group_rows: int) -> DataFrame:
    import pyarrow as pa
    from pyspark.sql.pandas.types import from_arrow_schema
    from pyspark.sql.types import StructField, StructType

    outputs = [pa.field(name, pa.type_for_alias(alias)) for name, alias in job.outputs.items()]
    rest = [*[pa.field(name, pa.string()) for name in _BAD], *[pa.field(name, pa.int64()) for name in _COUNTS]]
    keys = [StructField(key, frame.schema[key].dataType) for key in job.rules.keys]
    schema = StructType([*keys, *from_arrow_schema(pa.schema([*outputs, *rest])).fields])

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch, scored in job.score(grouped(batches, group_rows)):
            bad = [(row.error, row.message, json.dumps(row.raw)) for row in scored.failed]
            extra = pa.table(
                {
                    **{name: [row[place] for row in bad] + [None] for place, name in enumerate(_BAD)},
                    _COUNTS[0]: [None] * len(bad) + [batch.rows_read],
                    _COUNTS[1]: [None] * len(bad) + [scored.skipped],
                },
                schema=pa.schema(rest),
            )
            whole = pa.schema([*scored.table.schema, *rest])
            for part in (scored.table, extra):
                columns = [
                    part.column(field.name) if field.name in part.column_names else pa.nulls(len(part), field.type)
                    for field in whole
                ]
                yield from pa.table(columns, schema=whole).to_batches()

    return frame.mapInArrow(score, schema)


def _account(staged: DataFrame) -> Account:
    row = staged.selectExpr(
        f"coalesce(sum({_COUNTS[0]}), 0)",
        f"count_if({_BAD[0]} IS NULL AND {_COUNTS[0]} IS NULL)",
        f"coalesce(sum({_COUNTS[1]}), 0)",
        f"count({_BAD[0]})",
    ).first()
    assert row is not None, "an aggregate has one row"
    return Account(*(int(value) for value in row))
