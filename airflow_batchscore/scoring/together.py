"""One block for two models: read once, features made once if both have the same recipe, a part written for each.

What each part holds is what its model would have written alone. Where sharing could change that, the block is scored
for one model after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.blocks import read
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.engine.rerun import may_be_a_rerun
from airflow_batchscore.engine.single_thread import hold_to_one_thread
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.scoring.block import PartSource, empty_batch, score_block
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.part import BlockJob, PartWriter, check_limit
from airflow_batchscore.scoring.scorers.scorer import BatchScorer
from airflow_batchscore.scoring.scorers.shared import SharedFeatures
from airflow_batchscore.scoring.scorers.specs import ModelSpec

#: What is called for one model's part, without the unit.
OneCall: TypeAlias = tuple[Callable[..., BlockResult], BlockJob]
#: For each model its result, or why it has none; None if nothing was asked for it.
Results: TypeAlias = tuple[BlockResult | BatchScoreError | None, ...]


@dataclass(frozen=True)
class Together:
    """What a worker does with a unit: a call for each model; None if nothing is to be done for it."""

    calls: tuple[OneCall | None, ...]


def score_for_each(together: Together, unit: PartSource) -> Results:
    """Score a unit for each model. What fails one of them is returned, and does not keep the other from its part.

    Raises OSError: storage failed, which a retry may fix.
    """
    blocks = [job for call in together.calls if call is not None for function, job in [call] if function is score_block]
    if isinstance(unit, Block) and len(blocks) == len(together.calls) and not may_be_a_rerun():
        try:
            results = score_in_one_reading(blocks, unit)
        except BatchScoreError:
            results = None  # below each says what fails it, and the others have their parts
        if results is not None:
            return results
    return tuple(None if call is None else _alone(call, unit) for call in together.calls)


def _alone(call: OneCall, unit: PartSource) -> BlockResult | BatchScoreError:
    function, job = call
    try:
        return function(job, unit)
    except BatchScoreError as error:
        return error


def score_in_one_reading(jobs: Sequence[BlockJob], block: Block) -> Results | None:
    """Score a block that is read once; None if reading it for one model alone could give other rows.

    Raises BatchScoreError: one of the models cannot score it. Nothing was written.
    """
    types, key_types = _union([job.types for job in jobs]), _union([job.key_types for job in jobs])
    if types is None or key_types is None:
        return None
    alike = all(job.types == types and job.key_types == key_types for job in jobs)
    scorers = _opened(jobs)
    hold_to_one_thread()
    with ExitStack() as files:
        parts = [files.enter_context(PartWriter(job, block.index, block.name, block.source.uri)) for job in jobs]
        empty = True
        for batch in read(jobs[0].dataset, block, types, key_types):
            if not alike and (batch.bad or batch.padded):
                raise _NotAlikeError("a row that cannot be read may be bad for one model alone")
            empty = False
            for job, part, scorer in zip(jobs, parts, scorers, strict=True):
                _add(job, part, scorer, batch if alike else _narrowed(batch, job))
        for job, part, scorer in zip(jobs, parts, scorers, strict=True) if empty else ():
            _add(job, part, scorer, empty_batch(job))
    return tuple(part.result for part in parts)


class _NotAlikeError(BatchScoreError):
    """Each model is to read the block on its own."""


def _add(job: BlockJob, part: PartWriter, scorer: BatchScorer, batch: Batch) -> None:
    part.add(batch, scorer.score(batch, part.schema(scorer, batch)))
    check_limit(job, part.bad, part.account)


def _union(several: Sequence[dict[str, str | None]]) -> dict[str, str | None] | None:
    """All columns with their types; None if a column is read in two types."""
    union: dict[str, str | None] = {}
    for types in several:
        if any(union.get(name, kind) != kind for name, kind in types.items()):
            return None
        union |= types
    return union


def _narrowed(batch: Batch, job: BlockJob) -> Batch:
    """The columns of one model; the very same table where that is all of them, so that features can be shared."""
    table = batch.table if list(job.types) == batch.table.column_names else batch.table.select(list(job.types))
    keys = batch.keys if list(job.key_types) == batch.keys.column_names else batch.keys.select(list(job.key_types))
    return replace(batch, table=table, keys=keys)


def _opened(jobs: Sequence[BlockJob]) -> list[BatchScorer]:
    specs: list[Any] = [job.scorer for job in jobs]
    models = all(isinstance(spec, ModelSpec) for spec in specs)
    if models and len({spec.recipe_digest for spec in specs}) == 1:
        shared = SharedFeatures(twice=True)
        return [spec.open(job.rules, shared) for spec, job in zip(specs, jobs, strict=True)]
    return [spec.open(job.rules) for spec, job in zip(specs, jobs, strict=True)]
