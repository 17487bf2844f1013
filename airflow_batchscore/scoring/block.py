"""`score_block`: read one block, predict, write one part. The same function on every engine; no Airflow here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.blocks import Block, read
from airflow_batchscore.data.pattern import partition_key
from airflow_batchscore.data.type_names import named
from airflow_batchscore.engine.rerun import may_be_a_rerun
from airflow_batchscore.engine.single_thread import hold_to_one_thread
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.part import BlockJob, PartWriter, check_limit, find_result

U = TypeVar("U", bound=Any)


def writes_a_part(function: Callable[[BlockJob, U], BlockResult]) -> Callable[[BlockJob, U], BlockResult]:
    """For what a cluster runs: errors name the partition and the block, and what was written before stands.

    A cluster runs a block again when its worker died; that may have been after the part was written.
    """

    @wraps(function)
    def run(job: BlockJob, unit: U) -> BlockResult:
        try:
            if may_be_a_rerun():
                there = find_result(job, unit.index)
                if there is not None:
                    return there
            return function(job, unit)
        except BatchScoreError as error:
            raise type(error)(f"partition {partition_key(job.partition)}, {unit.name}: {error}") from error
        except OSError as error:
            raise OSError(f"partition {partition_key(job.partition)}, {unit.name}: {error}") from error

    return run


@writes_a_part
def score_block(job: BlockJob, block: Block) -> BlockResult:
    """Score one block and write its part; the part's footer carries the result for a later resume.

    Raises:
        BatchScoreError: with the partition and the block named; a retry cannot fix it.
        OSError: likewise; storage failed, which a retry may fix.
    """
    scorer = job.work.open(job.keys, job.limit, allow_nan=job.allow_nan)
    hold_to_one_thread()
    with PartWriter(job, block.index, block.name, block.source.uri) as part:
        for batch in batches(job, block):
            part.add(batch, scorer.score(batch, part.schema(scorer, batch)))
            check_limit(job, part.bad, part.account)
    return part.result


def batches(job: BlockJob, block: Block) -> Iterator[Batch]:
    """The block's batches, at least one: an empty block still writes a part with the right schema."""
    empty = True
    for batch in read(job.dataset, block, job.types, job.key_types):
        empty = False
        yield batch
    if empty:
        yield empty_batch(job)


def empty_batch(job: BlockJob) -> Batch:
    """A batch without rows that still says which columns there are."""
    import numpy as np
    import pyarrow as pa

    table, keys = (
        pa.schema([(name, named(type_name or "string")) for name, type_name in types.items()]).empty_table()
        for types in (job.types, job.key_types)
    )
    return Batch(table, np.array([], dtype=np.int64), [], keys)
