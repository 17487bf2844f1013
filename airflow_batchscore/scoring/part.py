"""Parts: the Parquet file that a block or a group of rows is written to, with its account in the footer."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.amounts import number_of
from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats.parquet_footer import (
    DamagedParquetError,
    add_note,
    encodings,
    footer_digest,
    note,
    open_writer,
    read_footer,
)
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import ScoringError
from airflow_batchscore.quality import profile, quarantine
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.beyond import Beyond
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.scorers.scorer import BatchRules, BatchScorer, ScoredBatch, output_schema
from airflow_batchscore.scoring.scorers.specs import ScorerSpec

if TYPE_CHECKING:
    from types import TracebackType

    import pyarrow as pa
    import pyarrow.parquet as pq

log = logging.getLogger(__name__)

_FOOTER_KEY = b"batchscore"


@dataclass(frozen=True)
class BlockJob:
    """What a worker needs to score any block of a partition. Small and free of secrets.

    Attributes:
        types: columns that the scorer reads, with the types to read them with.
        key_types: likewise, for the columns kept with the scores and the one that names models.
        folder: where parts go.
        prefix: names the layout, so that parts of two layouts never mix.
        inputs: digest of the partition's fingerprint: a part made from other bytes does not count.
    """

    dataset: PartitionedDataset
    partition: Values
    scorer: ScorerSpec
    types: dict[str, str | None]
    key_types: dict[str, str | None]
    rules: BatchRules
    folder: Location
    prefix: str
    inputs: str

    @property
    def columns(self) -> list[str]:
        """Every column that is read."""
        return list(dict.fromkeys([*self.types, *self.key_types]))

    def part_name(self, index: int) -> str:
        return f"part-{self.prefix}-{index:05d}.parquet"

    def part(self, index: int) -> Location:
        return self.folder / self.part_name(index)


class PartWriter:
    """Writes one part and, when it is complete, its quarantined rows; the part's footer carries the result.

    A part never changes: if another worker wrote it meanwhile, it is kept, and `result` is that worker's. A committed
    manifest may name it, and a function that uses randomness returns other rows each time.

    Args:
        name, source: the block's name in messages and quarantine, and where its rows come from.
    """

    def __init__(self, job: BlockJob, index: int, name: str, source: str) -> None:
        self._job, self._index, self._name, self._source = job, index, name, source
        self._files = ExitStack()
        self._writer: pq.ParquetWriter | None = None
        self.account = Account()
        self.bad: list[BadRow] = []
        self._rows = self._padded = self._others = 0
        self._left_out = hashlib.sha256()
        self._features: profile.Counts = {}
        self._predictions: profile.Counts = {}
        self._expected: tuple[profile.Expected, profile.Expected] = ({}, {})
        self._beyond = Beyond()
        self._uncovered: Counter[str] = Counter()

    def __enter__(self) -> PartWriter:
        location = self._job.part(self._index)
        self._path = self._files.enter_context(storage.atomic_file(location, self._stands))
        return self

    def _stands(self) -> bool:
        """Take over the result of the existing part, if it is complete and ours."""
        existing = find_result(self._job, self._index)
        if existing is None:
            return False
        log.info("%s was written by another worker meanwhile: that is used", existing.part)
        self.result = existing
        return True

    def schema(self, scorer: BatchScorer, batch: Batch) -> pa.Schema:
        """Schema of the part, determined by the first batch: keys as they are read, then the outputs."""
        if self._writer is None:
            key_types = {field.name: field.type for field in batch.keys.schema}
            schema = output_schema(scorer.outputs, self._job.rules.keys, key_types)
            self._writer = open_writer(self._path, schema, **encodings(schema))
        return self._writer.schema

    def add(self, batch: Batch, scored: ScoredBatch) -> None:
        """Write the results of a batch and account for its rows."""
        assert self._writer is not None, "schema() comes first"
        if scored.table.num_rows:
            self._writer.write_table(scored.table)
        bad = [*batch.bad, *scored.failed]
        self.bad += bad
        self.account += Account(batch.rows_read, scored.scored, scored.skipped, len(bad))
        self._rows += scored.table.num_rows
        self._padded += batch.padded
        self._others += batch.others
        if scored.scored < batch.rows_read:
            self._left_out.update(_left_out(batch, scored))
        self._features = profile.merge(self._features, scored.features)
        self._predictions = profile.merge(self._predictions, scored.predictions)
        features, predictions = self._expected
        self._expected = (
            profile.merge(features, scored.expected_features),
            profile.merge(predictions, scored.expected_predictions),
        )
        self._beyond += scored.beyond
        self._uncovered.update(scored.uncovered)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            try:
                if self._writer is not None:
                    self._writer.close()
            except OSError as second:  # e.g. a full disk: it must not hide the first error
                log.warning("a part that is given up could not be closed: %s", second)
            finally:
                self._files.__exit__(kind, error, trace)
            return
        with self._files:
            assert self._writer is not None, "a reader yields at least one batch"
            try:
                self.result = self._result()
                footer = json.dumps(self.result.to_dict()).encode()
                add_note(self._writer, _FOOTER_KEY, footer)
            finally:
                self._writer.close()
            size = self._path.stat().st_size
            self.result = replace(self.result, bytes=size, footer=footer_digest(self._path))

    def _result(self) -> BlockResult:
        job = self._job
        self.account.check(f"partition {partition_key(job.partition)}, {self._name}")
        if self._padded:
            log.warning(
                "partition %s, %s: %s had fewer cells than the header; those left off were taken as empty",
                partition_key(job.partition),
                self._name,
                number_of(self._padded, "row"),
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
            beyond=self._beyond,
            others=self._others,
            left_out=self._left_out.hexdigest()[:16] if self.account.rows_scored < self.account.rows_read else "",
        )

    def _write_quarantine(self) -> str:
        job = self._job
        name = f"quarantine/{job.part_name(self._index)}"
        if find_result(job, self._index) is not None:
            return name  # the existing part is kept, with its quarantined rows
        quarantine.write(
            job.folder / name,
            self.bad,
            partition=job.partition,
            block=self._index,
            source=self._source,
            keys=job.rules.keys,
        )
        log.warning(
            "partition %s, %s: %s put into quarantine, the first: %s",
            partition_key(job.partition),
            self._name,
            number_of(len(self.bad), "row"),
            self.bad[0].message,
        )
        return name


def _left_out(batch: Batch, scored: ScoredBatch) -> bytes:
    """The positions of the rows that were not scored, in order."""
    import numpy as np

    is_left_out = np.ones(len(batch.positions), bool)
    is_left_out[scored.places] = False
    unread = np.array([row.position for row in batch.bad], np.int64)
    return np.sort(np.concatenate([batch.positions[is_left_out], unread])).astype("<i8").tobytes()


def find_result(job: BlockJob, index: int) -> BlockResult | None:
    """The result of a block whose part exists; None if there is none, according to `read_result`."""
    part = storage.stat(job.part(index))
    return read_result(job, part) if part else None


def read_result(job: BlockJob, part: storage.FileInfo) -> BlockResult | None:
    """The result in a part's footer; None if it is not a complete part of ours, made from the job's bytes."""
    try:
        raw = note(read_footer(job.folder.at(part.uri)), _FOOTER_KEY)
        result = BlockResult.from_dict(json.loads(raw)) if raw else None
        return replace(result, bytes=part.size) if result is not None and result.inputs == job.inputs else None
    except FileNotFoundError:
        return None
    except (DamagedParquetError, ValueError, KeyError, TypeError) as error:
        log.warning("a part is damaged and counts as missing, its block is scored again: %s: %s", part.uri, error)
        return None


def require_limit(limit: quarantine.Limit, blocks: Iterable[BlockResult], what: str, folder: Location) -> None:
    """Raises ScoringError if an earlier run put more rows in quarantine than the stricter `limit` allows."""
    for block in blocks:
        account = block.account
        if not limit.allows(account.rows_quarantined, account.rows_read):
            raise ScoringError(
                f"{what}: an earlier run put {account.rows_quarantined} of {account.rows_read} rows of block "
                f"{block.index} in quarantine, more than quarantine={limit.value} allows. See "
                f"{folder / (block.quarantine or 'quarantine')}; fix the data or the recipe"
            )


def check_limit(job: BlockJob, bad: Sequence[BadRow], account: Account) -> None:
    """Raises ScoringError if more rows of a block failed than the job allows."""
    if not job.rules.limit.allows(len(bad), account.rows_read):
        row = bad[-1]
        raise ScoringError(
            f"{len(bad)} of {account.rows_read} rows cannot be scored, more than quarantine={job.rules.limit.value} "
            f"allows; row {row.position} for one: {row.error}: {row.message}. Fix the data or the recipe; if the "
            "recipe does not need that column, name those it needs in Recipe(columns=[...])"
        )
