"""A whole partition, for recipes and functions that need more than one row: all of its blocks in one batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.engine.single_thread import hold_to_one_thread
from airflow_batchscore.scoring.block import batches, writes_a_part
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.part import BlockJob, PartWriter, check_limit

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class Whole:
    """All blocks of a partition, as one unit of work."""

    blocks: tuple[Block, ...]

    @property
    def index(self) -> int:
        return 0

    @property
    def name(self) -> str:
        return "the whole partition"

    @property
    def source(self) -> str:
        """Where its rows come from; they are numbered across all files."""
        return ", ".join(dict.fromkeys(block.source.uri for block in self.blocks))


@writes_a_part
def score_whole(job: BlockJob, whole: Whole) -> BlockResult:
    """Score a partition in one batch and write its part. Raises like `score_block`."""
    scorer = job.scorer.open(job.rules)
    hold_to_one_thread()
    with PartWriter(job, whole.index, whole.name, whole.source) as part:
        batch = _read(job, whole)
        part.add(batch, scorer.score(batch, part.schema(scorer, batch)))
        check_limit(job, part.bad, part.account)
    return part.result


def _read(job: BlockJob, whole: Whole) -> Batch:
    """All rows; their positions count across the blocks."""
    import numpy as np
    import pyarrow as pa

    tables: list[pa.Table] = []
    keys: list[pa.Table] = []
    positions: list[np.ndarray] = []
    bad: list[BadRow] = []
    before = padded = others = 0
    for block in whole.blocks:
        read = 0
        for batch in batches(job, block):
            tables.append(batch.table)
            keys.append(batch.keys)
            positions.append(before + batch.positions)
            bad += [replace(row, position=before + row.position) for row in batch.bad]
            read += batch.rows_read + batch.others
            others += batch.others
            padded += batch.padded
        before += read
    # Every column has one type across all files: `Prepared.types`, `key_types`.
    return Batch(pa.concat_tables(tables), np.concatenate(positions), bad, pa.concat_tables(keys), padded, others)
