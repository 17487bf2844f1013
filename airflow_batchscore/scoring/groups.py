"""Complete groups: the rows of a partition are sorted into buckets on storage, and processed bucket by bucket.

The rows of a group can be anywhere in a partition. First each block is read and its rows are spilled bucket by bucket;
a bucket holds all rows of some groups (`spill_block`). Then each bucket is read from all spilled files
(`score_bucket`). So memory holds one block or one bucket: about as many rows, or those of the largest group.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.formats.parquet_footer import DamagedParquetError, add_note, note, open_file, open_writer
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.errors import is_store_error
from airflow_batchscore.engine.single_thread import hold_to_one_thread
from airflow_batchscore.scoring.block import batches, empty_batch, writes_a_part
from airflow_batchscore.scoring.group_keys import canonical, hashes
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.part import BlockJob, PartWriter, check_limit
from airflow_batchscore.scoring.scorers.scorer import ScoredBatch

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

FOLDER = "groups"
_OLD_NS = 24 * 3600 * 10**9
_BUCKETS_KEY = b"batchscore_buckets"
#: Prefix of key columns in spilled rows.
_KEY = "batchscore_key:"
#: For a file that is one block however large it is; less than this is read of it at once.
_STREAM_BUCKET_BYTES = 8 << 20


@dataclass(frozen=True)
class Spill:
    """A block whose rows are sorted into buckets.

    Attributes:
        buckets: total number of buckets.
    """

    block: Block
    buckets: int

    @property
    def index(self) -> int:
        return self.block.index

    @property
    def name(self) -> str:
        return self.block.name


@dataclass(frozen=True)
class Bucket:
    """One bucket of a partition.

    Attributes:
        index: of its part, after those of the blocks.
        number: of the bucket, from 0.
        blocks: how many blocks were sorted.
    """

    index: int
    number: int
    blocks: int

    @property
    def name(self) -> str:
        return f"bucket {self.number} of the groups"


def bucket_count(layout: Sequence[Block]) -> int:
    """As many as there are blocks, so that a bucket has about as many rows as a block."""
    return sum(max(1, b.source.size // _STREAM_BUCKET_BYTES) if b.source.is_stream else 1 for b in layout)


@writes_a_part
def spill_block(job: BlockJob, spill: Spill) -> BlockResult:
    """Spill the rows of a block, sorted into buckets, and write a part without rows that accounts for the bad ones."""
    groups = job.scorer.open(job.rules)
    buckets: list[int] = []
    writer: pq.ParquetWriter | None = None
    part = PartWriter(job, spill.index, spill.name, spill.block.source.uri)
    with part, storage.atomic_file(_file(job, spill.index)) as path:  # the part is last: it marks the rows as written
        try:
            for batch in batches(job, spill.block):
                schema = part.schema(groups, batch)
                part.add(replace(batch, table=batch.table.slice(0, 0)), ScoredBatch.empty(schema))
                check_limit(job, part.bad, part.account)
                rows = _with_keys(batch)
                writer = writer or open_writer(path, rows.schema)
                numbers = hashes(canonical(batch.keys, job.rules.keys))
                for number, table in _by_bucket(rows, numbers, spill.buckets):
                    writer.write_table(table, row_group_size=max(1, table.num_rows))
                    buckets.append(number)
            add_note(writer, _BUCKETS_KEY, json.dumps(buckets).encode())
        finally:
            if writer is not None:
                writer.close()
    return part.result


@writes_a_part
def score_bucket(job: BlockJob, bucket: Bucket) -> BlockResult:
    """Process the groups of a bucket and write its part."""
    import pyarrow as pa

    hold_to_one_thread()
    groups = job.scorer.open(job.rules)
    tables = [table for index in range(bucket.blocks) for table in _read(job, index, bucket.number)]
    with PartWriter(job, bucket.index, bucket.name, FOLDER) as part:
        batch = _numbered(pa.concat_tables(tables)) if tables else empty_batch(job)
        part.add(batch, groups.score(batch, part.schema(groups, batch)))
        check_limit(job, part.bad, part.account)
    return part.result


def spilled(folder: Location) -> dict[str, storage.FileInfo]:
    """The spilled files of blocks, by the name of the matching part."""
    return {file.uri.rpartition("/")[2]: file for file in storage.list_files(folder / FOLDER)}


def sweep(folder: Location, results: Sequence[BlockResult]) -> None:
    """Remove the spilled files of a committed partition's blocks, and leftovers of old attempts.

    Files of another attempt that may still be working are kept.
    """
    own, old = {result.part for result in results}, time.time_ns() - _OLD_NS
    for name, file in spilled(folder).items():
        if name in own or file.mtime_ns < old:
            storage.delete(folder.at(file.uri))


def _file(job: BlockJob, index: int) -> Location:
    """Where the rows of a block are spilled."""
    return job.folder / FOLDER / job.part_name(index)


def _with_keys(batch: Batch) -> pa.Table:
    """Both tables of a batch in one; a column can be in both."""
    table = batch.table
    for name in batch.keys.column_names:
        table = table.append_column(f"{_KEY}{name}", batch.keys.column(name))
    return table


def _numbered(rows: pa.Table) -> Batch:
    """The batch for rows in the form of `_with_keys`."""
    import numpy as np

    inputs = [name for name in rows.column_names if not name.startswith(_KEY)]
    names = [name for name in rows.column_names if name.startswith(_KEY)]
    keys = rows.select(names).rename_columns([name.removeprefix(_KEY) for name in names])
    return Batch(rows.select(inputs), np.arange(rows.num_rows), [], keys)


def _by_bucket(table: pa.Table, numbers: np.ndarray, buckets: int) -> list[tuple[int, pa.Table]]:
    """The rows of each non-empty bucket, in their order."""
    import numpy as np
    import pyarrow as pa

    if not table.num_rows:
        return []
    numbers = numbers % buckets
    order = np.argsort(numbers, kind="stable")
    cuts = np.flatnonzero(np.diff(numbers[order])) + 1
    return [(int(numbers[rows[0]]), table.take(pa.array(rows))) for rows in np.split(order, cuts)]


def _read(job: BlockJob, index: int, bucket: int) -> list[pa.Table]:
    """The rows of a bucket that came from a block. Raises OSError if the spilled file is gone or damaged."""
    import pyarrow as pa

    location = _file(job, index)
    try:
        with open_file(location) as file:
            numbers = json.loads(note(file.metadata, _BUCKETS_KEY) or b"")
            wanted = [place for place, number in enumerate(numbers) if number == bucket]
            return [file.read_row_groups(wanted)] if wanted else []
    except FileNotFoundError:
        # A retry finds the partition committed, or sorts its rows again.
        raise OSError(
            f"{location} is gone: another run has committed this partition meanwhile, or removed it"
        ) from None
    except (DamagedParquetError, pa.ArrowException, OSError, TypeError, ValueError) as error:
        if is_store_error(error):
            raise
        # Without the part that marks them as written, a retry sorts the block's rows again.
        storage.delete(job.part(index))
        raise OSError(f"{location} is damaged, a retry sorts the rows of its block again: {error}") from error
