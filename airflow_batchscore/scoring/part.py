"""Parts: the Parquet file that a block or a group of rows is written to, with its account in the footer."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.parquet_footer import DamagedParquetError, read_footer
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.errors import ScoringError
from airflow_batchscore.quality import profile, quarantine
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.batch import BatchScorer, ScoredBatch, output_schema
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.work import Work

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

log = logging.getLogger(__name__)

_FOOTER_KEY = b"batchscore"


@dataclass(frozen=True)
class BlockJob:
    """What a worker must know to score any block of a partition. Small and free of secrets.

    Attributes:
        types: columns to read for the work, with the types to read them with.
        key_types: likewise, of the columns that go with the scores and of the one that names models.
        folder: URI where parts go.
        prefix: names the layout, so that parts of two layouts never mix.
        limit: see `quarantine.Limit`.
        inputs: digest of the partition's fingerprint: a part made from other bytes does not count.
    """

    dataset: PartitionedDataset
    partition: Values
    work: Work
    types: dict[str, str | None]
    key_types: dict[str, str | None]
    keys: tuple[str, ...]
    folder: str
    prefix: str
    limit: quarantine.Limit
    allow_nan: bool
    conn_id: str | None
    inputs: str

    @property
    def columns(self) -> list[str]:
        """Every column that is read."""
        return list(dict.fromkeys([*self.types, *self.key_types]))

    def part_name(self, index: int) -> str:
        return f"part-{self.prefix}-{index:05d}.parquet"


class PartWriter:
    """Writes one part and, when it is whole, its quarantined rows; the part's footer carries the result.

    A part never changes: one that another worker put there meanwhile stands, and `result` is then that one's. What is
    committed may name it, and a function that uses chance gives other rows each time.

    Args:
        name, source: how messages and quarantine call the block, and where its rows came from.
    """

    def __init__(self, job: BlockJob, index: int, name: str, source: str) -> None:
        self._job, self._index, self._name, self._source = job, index, name, source
        self._files = ExitStack()
        self._writer: pq.ParquetWriter | None = None
        self.account = Account()
        self.bad: list[BadRow] = []
        self._rows = self._padded = 0
        self._features: profile.Counts = {}
        self._predictions: profile.Counts = {}
        self._expected: tuple[profile.Expected, profile.Expected] = ({}, {})
        self._uncovered: Counter[str] = Counter()

    def __enter__(self) -> PartWriter:
        uri = storage.join(self._job.folder, self._job.part_name(self._index))
        self._path = self._files.enter_context(storage.atomic_file(uri, self._job.conn_id, self._stands))
        return self

    def _stands(self) -> bool:
        """Take over the result of the part that is there, if it is whole and ours."""
        there = find_result(self._job, self._index)
        if there is None:
            return False
        log.info("%s was written by another worker meanwhile: that is used", there.part)
        self.result = there
        return True

    def schema(self, scorer: BatchScorer, batch: Batch) -> pa.Schema:
        """Of the part, which the first batch decides: keys as they are read, then the outputs."""
        import pyarrow.parquet as pq

        if self._writer is None:
            key_types = {field.name: field.type for field in batch.keys.schema}
            schema = output_schema(scorer.outputs, self._job.keys, key_types)
            self._writer = pq.ParquetWriter(self._path, schema, write_page_checksum=True, **_encodings(schema))
        return self._writer.schema

    def add(self, batch: Batch, scored: ScoredBatch) -> None:
        """Write what came of a batch, and account for its rows."""
        assert self._writer is not None, "schema() comes first"
        if scored.table.num_rows:
            self._writer.write_table(scored.table)
        here = [*batch.bad, *scored.failed]
        self.bad += here
        self.account += Account(batch.rows_read, scored.scored, scored.skipped, len(here))
        self._rows += scored.table.num_rows
        self._padded += batch.padded
        self._features = profile.merge(self._features, scored.features)
        self._predictions = profile.merge(self._predictions, scored.predictions)
        features, predictions = self._expected
        self._expected = (
            profile.merge(features, scored.expected_features),
            profile.merge(predictions, scored.expected_predictions),
        )
        self._uncovered.update(scored.uncovered)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            try:
                if self._writer is not None:
                    self._writer.close()
            except OSError as second:  # the disk is full, say: the first error must not be hidden by it
                log.warning("a part that is given up could not be closed: %s", second)
            finally:
                self._files.__exit__(kind, error, trace)
            return
        with self._files:
            assert self._writer is not None, "a reader yields at least one batch"
            try:
                self.result = self._result()
                footer = json.dumps(self.result.to_dict()).encode()
                self._writer.add_key_value_metadata({_FOOTER_KEY: footer})
            finally:
                self._writer.close()
            self.result = replace(self.result, bytes=self._path.stat().st_size)

    def _result(self) -> BlockResult:
        job = self._job
        self.account.check(f"partition {partition_key(job.partition)}, {self._name}")
        if self._padded:
            log.warning(
                "partition %s, %s: %d rows had fewer cells than the header; those left off were taken as empty",
                partition_key(job.partition),
                self._name,
                self._padded,
            )
        return BlockResult(
            index=self._index,
            part=job.part_name(self._index),
            quarantine=self._write_quarantine() if self.bad else None,
            bytes=0,
            account=self.account,
            features=self._features,
            predictions=self._predictions,
            rows=self._rows,
            uncovered=dict(self._uncovered),
            inputs=job.inputs,
            expected_features=self._expected[0],
            expected_predictions=self._expected[1],
            padded=self._padded,
        )

    def _write_quarantine(self) -> str:
        job = self._job
        name = f"quarantine/{job.part_name(self._index)}"
        if find_result(job, self._index) is not None:
            return name  # the part that is there stands, with its quarantined rows
        quarantine.write(
            storage.join(job.folder, name),
            self.bad,
            partition=job.partition,
            block=self._index,
            source=self._source,
            keys=job.keys,
            conn_id=job.conn_id,
        )
        log.warning(
            "partition %s, %s: %d rows were quarantined, the first: %s",
            partition_key(job.partition),
            self._name,
            len(self.bad),
            self.bad[0].message,
        )
        return name


def _encodings(schema: pa.Schema) -> dict[str, Any]:
    """How columns are written fast: a dictionary pays for text alone, differences for whole numbers such as ids."""
    import pyarrow.types as pt

    return {
        "use_dictionary": [field.name for field in schema if pt.is_string(field.type)],
        "column_encoding": {field.name: "DELTA_BINARY_PACKED" for field in schema if pt.is_integer(field.type)},
    }


def find_result(job: BlockJob, index: int) -> BlockResult | None:
    """The result of a block whose part lies there; None where there is none, as `read_result` says."""
    part = storage.stat(storage.join(job.folder, job.part_name(index)), job.conn_id)
    return read_result(job, part.uri, part.size) if part else None


def read_result(job: BlockJob, uri: str, size: int) -> BlockResult | None:
    """The result that a part's footer carries; None when it is not a whole part of ours, made from the job's bytes."""
    try:
        metadata = read_footer(uri, job.conn_id).metadata or {}
        raw = metadata.get(_FOOTER_KEY)
        found = BlockResult.from_dict(json.loads(raw)) if raw else None
        return replace(found, bytes=size) if found is not None and found.inputs == job.inputs else None
    except FileNotFoundError:
        return None
    except (DamagedParquetError, ValueError, KeyError, TypeError) as error:
        log.warning("a part is damaged and counts as missing, its block is scored again: %s: %s", uri, error)
        return None


def require_limit(limit: quarantine.Limit, blocks: Iterable[BlockResult], what: str, folder: str) -> None:
    """Raises ScoringError where an earlier run put more rows in quarantine than `limit`, a stricter one, allows."""
    for block in blocks:
        account = block.account
        if not limit.allows(account.rows_quarantined, account.rows_read):
            raise ScoringError(
                f"{what}: an earlier run put {account.rows_quarantined} of {account.rows_read} rows of block "
                f"{block.index} in quarantine, more than quarantine={limit.value} allows. See "
                f"{storage.join(folder, block.quarantine or 'quarantine')}; fix the data or the recipe"
            )


def check_limit(job: BlockJob, bad: Sequence[BadRow], account: Account) -> None:
    """Raises ScoringError when more rows of a block failed than the job allows."""
    if not job.limit.allows(len(bad), account.rows_read):
        row = bad[-1]
        raise ScoringError(
            f"{len(bad)} of {account.rows_read} rows cannot be scored, more than quarantine={job.limit.value} "
            f"allows; row {row.position} for one: {row.error}: {row.message}. Fix the data or the recipe; if the "
            "recipe does not need that column, name those it needs in Recipe(columns=[...])"
        )
