"""`score_block`: read one block, predict, write one part. The same function on every engine; no Airflow here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Protocol, TypeVar, overload

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.blocks import read
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.pattern import partition_key
from airflow_batchscore.data.type_names import arrow_type
from airflow_batchscore.engine.rerun import may_be_a_rerun
from airflow_batchscore.engine.single_thread import hold_to_one_thread
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.part import BlockJob, PartWriter, check_limit, find_result


class PartSource(Protocol):
    """What a part is made of: a block, a whole partition, a bucket of groups."""

    @property
    def index(self) -> int:
        """Number of its part."""
        ...

    @property
    def name(self) -> str:
        """For messages."""
        ...


U = TypeVar("U", bound=PartSource)


def writes_a_part(function: Callable[[BlockJob, U], BlockResult]) -> Callable[[BlockJob, U], BlockResult]:
    """Wraps what a cluster runs: errors name the partition and the block, and an already written part is kept.

    A cluster runs a block again when its worker dies, which may happen after the part was written.
    """

    @wraps(function)
    def run(job: BlockJob, unit: U) -> BlockResult:
        try:
            if may_be_a_rerun():
                existing = find_result(job, unit.index)
                if existing is not None:
                    return existing
            return function(job, unit)
        except (BatchScoreError, OSError) as error:
            raise named(error, job, unit) from error

    return run


@overload
def named(error: BatchScoreError, job: BlockJob, unit: PartSource) -> BatchScoreError: ...


@overload
def named(error: BatchScoreError | OSError, job: BlockJob, unit: PartSource) -> BatchScoreError | OSError: ...


def named(error: BatchScoreError | OSError, job: BlockJob, unit: PartSource) -> BatchScoreError | OSError:
    """An error of the same kind that says which partition and block it is of."""
    kind = type(error) if isinstance(error, BatchScoreError) else OSError
    why = str(error).removeprefix(f"{unit.name}: ")  # which some readers say as well
    return kind(f"partition {partition_key(job.partition)}, {unit.name}: {why}")


@writes_a_part
def score_block(job: BlockJob, block: Block) -> BlockResult:
    """Score one block and write its part; the part's footer carries the result for a later resume.

    Raises:
        BatchScoreError: names the partition and the block; a retry cannot fix it.
        OSError: likewise; storage failed, which a retry may fix.
    """
    scorer = job.scorer.open(job.rules)
    hold_to_one_thread()
    with PartWriter(job, block.index, block.name, block.source.uri) as part:
        for batch in batches(job, block):
            part.add(batch, scorer.score(batch, part.schema(scorer, batch)))
            check_limit(job, part.bad, part.account)
    return part.result


def batches(job: BlockJob, block: Block) -> Iterator[Batch]:
    """The block's batches, at least one: even an empty block writes a part with the right schema."""
    empty = True
    for batch in read(job.dataset, block, job.types, job.key_types):
        empty = False
        yield batch
    if empty:
        yield empty_batch(job)


def empty_batch(job: BlockJob) -> Batch:
    """A batch without rows that still defines the columns."""
    import numpy as np
    import pyarrow as pa

    table, keys = (
        pa.schema([(name, arrow_type(type_name or "string")) for name, type_name in types.items()]).empty_table()
        for types in (job.types, job.key_types)
    )
    return Batch(table, np.array([], dtype=np.int64), [], keys)
