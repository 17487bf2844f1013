"""Groups whole: the rows of a partition are sorted into buckets on storage, and a bucket at a time is worked on.

The rows of a group can lie anywhere in a partition. First each block is read and its rows are written down again,
bucket by bucket, where a bucket holds all rows of some groups (`spill_block`). Then each bucket is read from all of
these files (`score_bucket`). So memory holds a block, or a bucket: about as many rows, or those of the largest group.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.blocks import Block
from airflow_batchscore.data.store_errors import is_store_error
from airflow_batchscore.engine.single_thread import hold_to_one_thread
from airflow_batchscore.scoring.batch import ScoredBatch
from airflow_batchscore.scoring.block import batches, empty_batch, writes_a_part
from airflow_batchscore.scoring.function import FunctionWork, Groups
from airflow_batchscore.scoring.group_keys import canonical, hashes
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.part import BlockJob, PartWriter, check_limit

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

FOLDER = "groups"
_OLD_NS = 24 * 3600 * 10**9
_BUCKETS_KEY = b"batchscore_buckets"
#: Begins the names of key columns in spilled rows.
_KEY = "batchscore_key:"
#: Of a file that is one block however large it is; what is read of it at once is smaller than this.
_STREAM_BUCKET_BYTES = 8 << 20


@dataclass(frozen=True)
class Spill:
    """A block whose rows are sorted into buckets.

    Attributes:
        buckets: how many there are in all.
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
        index: of its part, behind those of the blocks.
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
    return sum(max(1, b.source.size // _STREAM_BUCKET_BYTES) if b.source.kind == "stream" else 1 for b in layout)


@writes_a_part
def spill_block(job: BlockJob, spill: Spill) -> BlockResult:
    """Write the rows of a block down, sorted into buckets, and a part without rows that accounts for the bad ones."""
    import pyarrow.parquet as pq

    groups = Groups(_work(job), job.limit)
    buckets: list[int] = []
    uri = _uri(job, spill.index)
    writer: Any = None
    part = PartWriter(job, spill.index, spill.name, spill.block.source.uri)
    with part, storage.atomic_file(uri, job.conn_id) as path:  # the part comes last: it says that the rows are there
        try:
            for batch in batches(job, spill.block):
                schema = part.schema(groups, batch)
                part.add(replace(batch, table=batch.table.slice(0, 0)), _nothing(schema))
                check_limit(job, part.bad, part.account)
                rows = _with_keys(batch)
                writer = writer or pq.ParquetWriter(path, rows.schema, write_page_checksum=True)
                numbers = hashes(canonical(batch.keys, _work(job).group_by))
                for number, table in _by_bucket(rows, numbers, spill.buckets):
                    writer.write_table(table, row_group_size=max(1, table.num_rows))
                    buckets.append(number)
            writer.add_key_value_metadata({_BUCKETS_KEY: json.dumps(buckets).encode()})
        finally:
            if writer is not None:
                writer.close()
    return part.result


@writes_a_part
def score_bucket(job: BlockJob, bucket: Bucket) -> BlockResult:
    """Work on the groups of a bucket and write its part."""
    import pyarrow as pa

    hold_to_one_thread()
    groups = Groups(_work(job), job.limit)
    spilled = [_read(job, index, bucket.number) for index in range(bucket.blocks)]
    tables = [table for some in spilled for table in some]
    with PartWriter(job, bucket.index, bucket.name, FOLDER) as part:
        batch = _numbered(pa.concat_tables(tables)) if tables else empty_batch(job)
        part.add(batch, groups.score(batch, part.schema(groups, batch)))
        check_limit(job, part.bad, part.account)
    return part.result


def spilled(folder: str, conn_id: str | None) -> dict[str, storage.FileInfo]:
    """The files that blocks were sorted into, by the name of the part that goes with each."""
    return {file.uri.rpartition("/")[2]: file for file in storage.list_files(storage.join(folder, FOLDER), conn_id)}


def sweep(folder: str, results: Sequence[BlockResult], conn_id: str | None) -> None:
    """Remove what the blocks of a committed partition were sorted into, and what attempts of long ago left.

    Those of another attempt, which may still be at work, stay.
    """
    own, old = {result.part for result in results}, time.time_ns() - _OLD_NS
    for name, file in spilled(folder, conn_id).items():
        if name in own or file.mtime_ns < old:
            storage.delete(file.uri, conn_id)


def _work(job: BlockJob) -> FunctionWork:
    assert isinstance(job.work, FunctionWork), "groups are those of a function"
    return job.work


def _uri(job: BlockJob, index: int) -> str:
    return storage.join(job.folder, FOLDER, job.part_name(index))


def _nothing(schema: pa.Schema) -> ScoredBatch:
    import numpy as np

    return ScoredBatch(schema.empty_table(), np.array([], dtype=np.int64), 0, 0, [])


def _with_keys(batch: Batch) -> pa.Table:
    """Both tables of a batch in one; a column can be in both."""
    table = batch.table
    for name in batch.keys.column_names:
        table = table.append_column(f"{_KEY}{name}", batch.keys.column(name))
    return table


def _numbered(rows: pa.Table) -> Batch:
    """The batch of rows as `_with_keys` gives them."""
    import numpy as np

    inputs = [name for name in rows.column_names if not name.startswith(_KEY)]
    names = [name for name in rows.column_names if name.startswith(_KEY)]
    keys = rows.select(names).rename_columns([name.removeprefix(_KEY) for name in names])
    return Batch(rows.select(inputs), np.arange(rows.num_rows), [], keys)


def _by_bucket(table: pa.Table, numbers: np.ndarray, buckets: int) -> list[tuple[int, pa.Table]]:
    """The rows of each bucket that has some, in their order."""
    import numpy as np
    import pyarrow as pa

    if not table.num_rows:
        return []
    numbers = numbers % buckets
    order = np.argsort(numbers, kind="stable")
    cuts = np.flatnonzero(np.diff(numbers[order])) + 1
    return [(int(numbers[rows[0]]), table.take(pa.array(rows))) for rows in np.split(order, cuts)]


def _read(job: BlockJob, index: int, bucket: int) -> list[pa.Table]:
    """The rows of a bucket that a block had. Raises OSError when what was spilled is gone or damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    uri = _uri(job, index)
    fs, path = storage.filesystem(uri, job.conn_id)
    try:
        with (
            fs.open_input_file(path) as source,
            pq.ParquetFile(source, page_checksum_verification=True) as file,
        ):
            numbers = json.loads(file.metadata.metadata[_BUCKETS_KEY])
            wanted = [place for place, number in enumerate(numbers) if number == bucket]
            return [file.read_row_groups(wanted)] if wanted else []
    except FileNotFoundError:
        # A retry finds the partition committed, or sorts its rows again.
        raise OSError(f"{uri} is gone: another run has committed this partition meanwhile, or removed it") from None
    except (pa.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
        if is_store_error(error):
            raise
        # Without the part that says that they were written, a retry sorts the block's rows again.
        storage.delete(storage.join(job.folder, job.part_name(index)), job.conn_id)
        raise OSError(f"{uri} is damaged, a retry sorts the rows of its block again: {error}") from error
