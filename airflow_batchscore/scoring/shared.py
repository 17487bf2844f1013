"""One block of a file that several partitions share: it is read once, and each gets its part."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.blocks import read_shared
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.engine.rerun import may_be_a_rerun
from airflow_batchscore.engine.single_thread import hold_to_one_thread
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.scoring.block import PartSource, empty_batch, named, score_block
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.part import BlockJob, PartWriter, check_limit, find_result
from airflow_batchscore.scoring.scorers.scorer import BatchScorer

_MOST_TOGETHER = 100
#: On a worker with the usual 1,024 open files, some 40 threads can each have a block.
_TOGETHER_ELSEWHERE = 20
_FILES_OF_OTHERS = 256
#: Blocks that may be scored at once, per core.
_BLOCKS_A_CORE = 3

#: A result, or why the partition fails.
Result: TypeAlias = BlockResult | BatchScoreError
#: The numbers of some partitions, what is called, and its job and unit for each.
Call: TypeAlias = tuple[tuple[int, ...], Callable[..., Any], tuple[Any, ...], tuple[PartSource, ...]]


#: What is called for one model's part, without the unit.
OneCall: TypeAlias = tuple[Callable[..., BlockResult], BlockJob]
#: For each model its result, or why it has none; None if nothing was asked for it.
Results: TypeAlias = tuple[BlockResult | BatchScoreError | None, ...]


@dataclass(frozen=True)
class Together:
    """What a worker does with a unit: a call for each model; None if nothing is to be done for it."""

    calls: tuple[OneCall | None, ...]

    @property
    def blocks(self) -> list[BlockJob]:
        """The jobs of the models, if each scores a block; else none."""
        calls = [call for call in self.calls if call is not None]
        return [job for _, job in calls] if all(function is score_block for function, _ in calls) else []


def most_together(*, is_local: bool) -> int:
    """How many parts are written together: each is open meanwhile, per block that is scored.

    Args:
        is_local: whether this machine scores. The limits of others are not known: a fixed number suits them.
    """
    if not is_local:
        return _TOGETHER_ELSEWHERE
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    blocks = _BLOCKS_A_CORE * (os.cpu_count() or 1)
    most = min(_MOST_TOGETHER, (files - _FILES_OF_OTHERS) // blocks if files > 0 else _MOST_TOGETHER)
    return max(2, most)


def together(calls: Iterable[Call]) -> list[Call]:
    """The calls, those for the same block of the same file as one; calls for whole files stay as they are."""
    made: dict[object, Call] = {}
    for place, call in enumerate(calls):
        numbers, function, jobs, units = call
        key = place if (shared := _shared(jobs[0], units[0])) is None else shared
        if key in made:
            before = made[key]
            call = (before[0] + numbers, function, before[2] + jobs, before[3] + units)
        made[key] = call
    return list(made.values())


def _shared(job: BlockJob | Together, unit: PartSource) -> object:
    """What calls have in common that read the same; None if no other call reads it."""
    jobs = _block_jobs(job)
    if not jobs or not isinstance(unit, Block) or not unit.source.only:
        return None
    source = replace(unit.source, only=(), given=(), given_types=())
    types = {tuple(tuple(each.items()) for each in (job.types, job.key_types)) for job in jobs}
    asked = tuple(call is None for call in job.calls) if isinstance(job, Together) else ()
    return (source, unit.start, unit.stop, unit.rows, asked, *types) if len(types) == 1 else None


def _block_jobs(job: BlockJob | Together) -> list[BlockJob]:
    return job.blocks if isinstance(job, Together) else [job]


def score_several(jobs: Sequence[BlockJob | Together], blocks: Sequence[Block]) -> Sequence[Result | Results]:
    """`score_shared`, also for several models: then a tuple for each partition."""
    ranks = range(len(_block_jobs(jobs[0])))  # one model after the other, so that what was opened serves the next
    results = score_shared([_block_jobs(job)[rank] for rank in ranks for job in jobs], [*blocks] * len(ranks))
    if not isinstance(jobs[0], Together):
        return results
    made = [iter(results[place :: len(jobs)]) for place in range(len(jobs))]
    return [
        tuple(None if call is None else next(each) for call in job.calls)
        for job, each in zip(jobs, made, strict=True)
        if isinstance(job, Together)
    ]


def score_shared(jobs: Sequence[BlockJob], blocks: Sequence[Block]) -> list[Result]:
    """`score_block` for several partitions of a file that have the same block of it: for each a result, or its error.

    A partition that fails does not keep the others from their part.

    Raises OSError like `score_block`.
    """
    results: list[Result | None] = [
        find_result(job, block.index) if may_be_a_rerun() else None for job, block in zip(jobs, blocks, strict=True)
    ]
    parts = [OpenPart(job, block) for job, block, there in zip(jobs, blocks, results, strict=True) if there is None]
    made = iter(write_parts(parts, _rows(parts)) if parts else ())
    return [next(made) if there is None else there for there in results]


def _rows(parts: Sequence[OpenPart]) -> Iterator[Sequence[Batch]]:
    job, empty = parts[0].job, True
    scorer: BatchScorer | None = None
    for part in parts:
        # Most partitions have one model: what was opened for the one serves the next.
        alike = scorer is not None and (part.job.scorer, part.job.rules) == (job.scorer, job.rules)
        job = part.job
        try:
            scorer = part.open(scorer if alike else None)
        except BatchScoreError as error:
            scorer = None
            part.fail(error)
    hold_to_one_thread()  # now that the models' libraries are there
    blocks = list(dict.fromkeys(part.block for part in parts))  # that of a partition once for all its models
    for batches in read_shared(job.dataset, blocks, job.types, job.key_types):
        empty, rows = False, dict(zip(blocks, batches, strict=True))
        yield [rows[part.block] for part in parts]
    if empty:
        yield [empty_batch(part.job) for part in parts]


def write_parts(parts: Sequence[OpenPart], rows: Iterable[Sequence[Batch]]) -> list[Result]:
    """Write what is read once for all parts. One that fails does not keep the others from theirs.

    Args:
        rows: opens the parts, then gives a batch for each of them, again and again; at least once.

    Raises:
        OSError: storage failed, which a retry may fix.
    """
    try:
        try:
            for batches in rows:
                for part, batch in zip(parts, batches, strict=True):
                    part.add(batch)
                if all(part.error is not None for part in parts):
                    break
        except BatchScoreError as error:  # of reading
            for part in parts:
                part.fail(error)
        return [part.finish() for part in parts]
    except BaseException as error:
        for part in parts:
            part.close(error)
        if isinstance(error, OSError):
            raise named(error, parts[0].job, parts[0].block) from error
        raise


class OpenPart:
    """The part of one partition, while it is written."""

    def __init__(self, job: BlockJob, block: Block) -> None:
        self.job, self.block = job, block
        self.error: BatchScoreError | None = None
        self._writer: PartWriter | None = None
        self._scorer: BatchScorer | None = None

    def open(self, scorer: BatchScorer | None) -> BatchScorer:
        """Open the part, with this scorer or the job's own, which is returned."""
        self._scorer = scorer or self.job.scorer.open(self.job.rules)
        writer = PartWriter(self.job, self.block.index, self.block.name, self.block.source.uri)
        self._writer = writer.__enter__()
        return self._scorer

    def add(self, batch: Batch) -> None:
        if self._writer is None or self._scorer is None:
            return
        try:
            self._writer.add(batch, self._scorer.score(batch, self._writer.schema(self._scorer, batch)))
            check_limit(self.job, self._writer.bad, self._writer.account)
        except BatchScoreError as error:
            self.fail(error)

    def fail(self, error: BatchScoreError) -> None:
        """Give the part up, because of this unless it failed before."""
        if self.error is None:
            self.error = error
            self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.__exit__(None if error is None else type(error), error, None)

    def finish(self) -> Result:
        """Complete the part."""
        writer = self._writer
        if self.error is None:
            try:
                self.close()
            except BatchScoreError as error:
                self.error = error
        if self.error is not None:
            return named(self.error, self.job, self.block)
        assert writer is not None, "a part without an error was written"
        return writer.result
