"""Score partitions side by side on one set of workers, so that none of them waits for the end of another.

The account, the commit and the retry stay per partition. This process prepares the next partitions and commits those
that are complete while workers score.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeAlias

from airflow_batchscore.data import storage
from airflow_batchscore.data.apart import require_apart, require_staging_outside
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.pattern import Values, partition_key, shown
from airflow_batchscore.data.shared_files import SharedFiles
from airflow_batchscore.engine.base import Engine, Session
from airflow_batchscore.errors import BatchScoreError, EngineError, listed
from airflow_batchscore.scoring.block import PartSource
from airflow_batchscore.scoring.committed import partition_state
from airflow_batchscore.scoring.in_progress import PartitionInProgress, begin
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.prepare import Preparer
from airflow_batchscore.scoring.shared import Call, Together, most_together, score_several, together
from airflow_batchscore.scoring.tally import Tally
from airflow_batchscore.scoring.work import BeingScored, S, Work

log = logging.getLogger(__name__)

#: Example names of what is written below a partition's identity.
_NAMES = ("part-0-00000.parquet", "manifests/000001.json")

#: The result of a call for one partition, with the number of the partition and the seconds it took.
Finished: TypeAlias = tuple[int, Any, float]


class _Alone:
    """Partitions that are scored once."""

    parts = 1

    def __init__(self, job: ScoringJob) -> None:
        self.job, self._preparer = job, Preparer(job)

    def begin(
        self, values: Values, session: Session, files: SharedFiles
    ) -> PartitionInProgress | tuple[Manifest, bool]:
        begun = begin(self.job, self._preparer, values, session, files)
        return (begun, True) if isinstance(begun, Manifest) else begun

    def found(self, values: Values, files: SharedFiles) -> tuple[Manifest, bool] | None:
        state = partition_state(self.job, self._preparer, values, files)
        return (state.committed, True) if state.committed is not None and state.is_done(self.job) else None


def score_partitions(
    job: ScoringJob, partitions: Sequence[Values], engine: Engine, *, slots: int = 1, tally: Tally | None = None
) -> list[tuple[Manifest, bool]]:
    """Score some partitions on one set of workers.

    Args:
        slots: see `Engine.session`.
        tally: for these partitions, to look at meanwhile from another thread.

    Returns:
        A manifest for each, and whether it was already committed.

    Raises:
        OutputError: what is written would be one of the dataset's files.
        BatchScoreError: a partition cannot be scored. No further call is made then; partitions whose calls were all
            made are completed and committed, and what was scored of the others is kept for a retry.
    """
    return score_together(_Alone(job), partitions, engine, slots=slots, tally=tally)


def score_together(
    work: Work[S], partitions: Sequence[Values], engine: Engine, *, slots: int = 1, tally: Tally | None = None
) -> list[S]:
    """`score_partitions`, for any work."""
    output = work.job.output
    folders = [output / partition_key(values) / "identity" for values in partitions[:1]]
    require_apart(work.job.dataset.uri, [(folder / name).uri for folder in folders for name in _NAMES])
    require_staging_outside(work.job.dataset.uri, output.uri)
    if output.is_local:
        storage.sweep(storage.real(output.uri))  # estimates that were killed
    found = _found(work, partitions)
    tally = tally or Tally(len(partitions))
    with engine.session(slots) as session:
        return _Pack(work, partitions, found, engine, session, tally).score()


def _found(work: Work[S], partitions: Sequence[Values]) -> dict[int, S]:
    """Of several partitions in a remote store, those already committed: their few requests run in parallel."""
    if work.job.output.is_local or len(partitions) < 2:
        return {}

    files = SharedFiles(work.job.dataset)

    def look(values: Values) -> S | None:
        try:
            return work.found(values, files)
        except (BatchScoreError, OSError):  # raised when it is this partition's turn
            return None

    looked = storage.each(look, partitions, work.job.output_uri)
    return {number: scored for number, scored in enumerate(looked) if scored is not None}


class _Pack(Generic[S]):
    """Partitions that share workers: one after the other is begun, as workers become free."""

    def __init__(
        self,
        work: Work[S],
        partitions: Sequence[Values],
        found: dict[int, S],
        engine: Engine,
        session: Session,
        tally: Tally,
    ) -> None:
        self._work, self._engine, self._session = work, engine, session
        self._waiting = deque((number, values) for number, values in enumerate(partitions) if number not in found)
        self._in_progress: dict[int, BeingScored[S]] = {}
        self._scored = found
        self._failed: dict[int, BatchScoreError] = {}
        self._calls: deque[Call] = deque()
        self._tally = tally
        self._counted = time.monotonic()
        for number, (manifest, *_) in found.items():
            tally.found(number, manifest)

    def score(self) -> list[S]:
        """Score all partitions; see `score_partitions`."""
        job = self._work.job
        remote = not (storage.is_local(job.dataset.uri) and job.output.is_local)
        while self._prepare_calls():  # again, if the results of one stage were needed for the next
            for finished in self._session.run(_numbered, _Calls(self), remote=remote):
                files = SharedFiles(job.dataset)  # what they complete is compared with what is there now
                for number, result, seconds in finished:
                    with self._noting_failure(number):
                        self._add(number, result, seconds, files)
                if self._failed and not self._can_complete_one():
                    break  # which cancels what is in flight
        self._raise_failure()
        for partition in self._in_progress.values():  # the engine may be another package's
            raise EngineError(
                f"partition {partition.key}: {self._session!r} returned no result for the blocks "
                f"{listed(sorted(partition.attempt.given))}. This is a defect of the engine; what was scored is kept "
                "for a retry"
            )
        return [self._scored[number] for number in sorted(self._scored)]

    def next_call(self) -> Call | None:
        """The next call, if there is one now: results may make others possible."""
        return self._calls.popleft() if self._prepare_calls() else None

    @property
    def calls_left(self) -> int:
        """How many calls are left, more or less."""
        return len(self._calls) + self._tally.blocks_to_come

    def _prepare_calls(self) -> bool:
        """Begin partitions until one has a call to make; returns False if none is left, or a partition has failed."""
        job = self._work.job
        while not self._calls and self._waiting and not self._failed:
            # Partitions of one file begin together, so that each of its blocks is read once for all of them.
            at_once = 1 if job.dataset.by is None else most_together(is_local=self._engine.is_local)
            files = SharedFiles(job.dataset)
            for _ in range(min(len(self._waiting), max(1, at_once // self._work.parts))):
                number, values = self._waiting.popleft()
                with self._noting_failure(number):
                    self._begin(number, values, files)
            self._calls = deque(together(self._calls))
        return bool(self._calls) and not self._failed

    def _begin(self, number: int, values: Values, files: SharedFiles) -> None:
        begun = self._work.begin(values, self._session, files)
        if isinstance(begun, tuple):
            self._scored[number] = begun
            self._tally.found(number, begun[0])
            return
        self._in_progress[number] = begun
        self._count_seconds(begun)
        self._tally.began(number, begun.attempt.blocks, len(begun.attempt.done), begun.attempt.account)
        if begun.attempt.blocks > 1:
            log.info("partition %s: %d blocks", shown(begun.key), begun.attempt.blocks)
        self._go_on(number, begun, files)

    @contextmanager
    def _noting_failure(self, number: int) -> Iterator[None]:
        """What fails a partition does not keep others from being committed that are nearly done."""
        try:
            yield
        except BatchScoreError as error:
            self._failed.setdefault(number, error)

    def _raise_failure(self) -> None:
        """Raise what failed the first of the partitions that failed; the others go to the log."""
        for _, error in sorted(self._failed.items())[1:]:
            log.error("%s", error)
        if self._failed:
            raise self._failed[min(self._failed)]

    def _add(self, number: int, result: Any, seconds: float, files: SharedFiles) -> None:
        if isinstance(result, BatchScoreError):
            raise result
        partition = self._in_progress[number]
        self._count_seconds(partition)
        self._tally.scored(partition.key, partition.attempt.add(result), seconds)
        self._go_on(number, partition, files)

    def _go_on(self, number: int, partition: BeingScored[S], files: SharedFiles) -> None:
        self._calls.extend(
            ((number,), function, (job,), (unit,)) for function, job, unit in partition.attempt.next_calls()
        )
        if partition.attempt.is_complete:
            self._scored[number] = partition.commit(self._engine, files)
            del self._in_progress[number]
            self._tally.committed(number)

    def _count_seconds(self, partition: BeingScored[S]) -> None:
        """Count the time since the last result for the partition of this one: their sum is the time of the pack."""
        now = time.monotonic()
        partition.seconds += now - self._counted
        self._counted = now

    def _can_complete_one(self) -> bool:
        """Whether the calls that were made may complete a partition."""
        cannot = {*self._failed, *(number for numbers, *_ in self._calls for number in numbers)}
        return any(number not in cannot for number in self._in_progress)


class _Calls(Iterator[Call]):
    """The calls of a pack until there is none, which is the end: engines do not ask again."""

    def __init__(self, pack: _Pack[Any]) -> None:
        self._pack: _Pack[Any] | None = pack

    def __next__(self) -> Call:
        call = None if self._pack is None else self._pack.next_call()
        if call is None:
            self._pack = None
            raise StopIteration
        return call

    def __length_hint__(self) -> int:
        return 0 if self._pack is None else self._pack.calls_left


def _numbered(
    numbers: Sequence[int],
    function: Callable[..., Any],
    jobs: Sequence[Any],
    units: Sequence[PartSource],
) -> list[Finished]:
    """The results of a call, or why a partition fails."""
    began = time.monotonic()
    results: Sequence[Any]
    blocks = [unit for unit in units if isinstance(unit, Block)]
    if len(numbers) > 1:
        try:
            results = score_several(jobs, blocks)
        except SystemExit:
            if not isinstance(jobs[0], Together):
                raise
            results = [function(job, unit) for job, unit in zip(jobs, units, strict=True)]  # shows whose it is
    else:
        try:
            results = [function(jobs[0], units[0])]
        except BatchScoreError as error:
            results = [error]
    seconds = (time.monotonic() - began) / len(numbers)
    return [(number, result, seconds) for number, result in zip(numbers, results, strict=True)]
