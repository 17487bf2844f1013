"""One block for two models: read once, features made once if both have the same recipe, a part written for each.

What each part holds is what its model would have written alone. Where sharing could change that, the block is scored
for one model after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.engine.rerun import may_be_a_rerun
from airflow_batchscore.engine.single_thread import hold_to_one_thread
from airflow_batchscore.errors import BatchScoreError, ScoringError
from airflow_batchscore.scoring.block import PartSource, batches, named
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.part import BlockJob
from airflow_batchscore.scoring.scorers.shared_features import SharedFeatures
from airflow_batchscore.scoring.scorers.specs import ModelSpec
from airflow_batchscore.scoring.shared import OneCall, OpenPart, Results, Together, write_parts


def score_for_each(together: Together, unit: PartSource) -> Results:
    """Score a unit for each model. What fails one of them is returned, and does not keep the other from its part.

    Raises OSError: storage failed, which a retry may fix.
    """
    if isinstance(unit, Block) and None not in together.calls and together.blocks and not may_be_a_rerun():
        results = score_in_one_reading(together.blocks, unit)
        if results is not None:
            return results
    champion, challenger = together.calls
    return (None if champion is None else _alone(champion, unit), challenger and _tried(challenger, unit))


def _alone(call: OneCall, unit: PartSource) -> BlockResult | BatchScoreError:
    function, job = call
    try:
        return function(job, unit)
    except BatchScoreError as error:
        return error


def _tried(call: OneCall, unit: PartSource) -> BlockResult | BatchScoreError:
    """`_alone` for a challenger, whose code must not end the task either."""
    try:
        return _alone(call, unit)
    except SystemExit as error:
        return named(ScoringError(f"the model's code asks the process to end ({error!r})"), call[1], unit)


def score_in_one_reading(jobs: Sequence[BlockJob], block: Block) -> Results | None:
    """Score a block that is read once; None if a model could get other rows, or another error, that reads it alone."""
    types, key_types = _union([job.types for job in jobs]), _union([job.key_types for job in jobs])
    if types is None or key_types is None:
        return None
    parts = [OpenPart(job, block) for job in jobs]
    try:
        return tuple(write_parts(parts, _rows(parts, types, key_types)))
    except (_NotAlikeError, SystemExit):  # whose it is shows when each scores alone
        return None


def _rows(
    parts: Sequence[OpenPart], types: dict[str, str | None], key_types: dict[str, str | None]
) -> Iterator[Sequence[Batch]]:
    """Raises _NotAlikeError."""
    _open(parts)
    hold_to_one_thread()
    job = replace(parts[0].job, types=types, key_types=key_types)
    alike = all([*part.job.types] == [*types] and [*part.job.key_types] == [*key_types] for part in parts)
    try:
        for batch in batches(job, parts[0].block):
            if not alike and (batch.bad or batch.padded):  # a row may be bad for one model alone
                raise _NotAlikeError
            yield [batch if alike else _narrowed(batch, part.job) for part in parts]
    except BatchScoreError as error:
        if alike:
            raise
        raise _NotAlikeError from error


class _NotAlikeError(Exception):
    """Each model is to read the block on its own."""


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


def _open(parts: Sequence[OpenPart]) -> None:
    specs = [part.job.scorer for part in parts]
    models = [spec for spec in specs if isinstance(spec, ModelSpec)]
    shared = None
    if len(models) == len(parts) and len({spec.recipe_digest for spec in models}) == 1:
        shared = SharedFeatures(twice=True)
    for part, spec in zip(parts, specs, strict=True):
        try:
            rules = part.job.rules
            part.open(spec.open(rules, shared) if isinstance(spec, ModelSpec) else spec.open(rules))
        except BatchScoreError as error:
            part.fail(error)
