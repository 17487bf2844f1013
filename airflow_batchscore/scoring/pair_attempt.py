"""The blocks of a partition that two models score: one call for a block of which both lack the part."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.errors import BatchScoreError, InputChangedError
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.attempt import Attempt, Call
from airflow_batchscore.scoring.block import PartSource
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.part import BlockJob
from airflow_batchscore.scoring.shared import Results, Together
from airflow_batchscore.scoring.together import score_for_each

log = logging.getLogger(__name__)


@dataclass
class PairAttempt:
    """The calls for both models; see `Attempt`.

    Attributes:
        attempts: of the champion and of the challenger; None if it is scored already, or failed.
        problem: why the challenger failed.
    """

    attempts: list[Attempt | None]
    problem: str | None

    def __post_init__(self) -> None:
        self._calls = self._paired([None if each is None else each.next_calls() for each in self.attempts])
        self._open = len(self._calls)
        leads = self._leads
        waiting = {unit.index for together, unit in self._calls if together.calls[leads] is not None}
        lead = self.attempts[leads]
        assert lead is not None, "as something is to be scored"
        self.done = {index: result for index, result in lead.done.items() if index not in waiting}
        self.blocks = len(self._calls) + len(self.done)
        self.account = sum((result.account for result in self.done.values()), Account())

    @property
    def _leads(self) -> int:
        """Which of the two is counted: the champion, unless it is scored already."""
        return 0 if self.attempts[0] is not None else 1

    def _paired(self, calls: Sequence[Sequence[Call] | None]) -> list[tuple[Together, PartSource]]:
        """One call for a block that both score, in the layout that both have."""
        paired: dict[tuple[object, ...], tuple[list[Any], PartSource]] = {}
        for place, (attempt, several) in enumerate(zip(self.attempts, calls, strict=True)):
            for function, job, unit in several or ():
                digest = attempt.digest if attempt else ""
                key = (unit.index, digest, function, *_read_as(job, unit))
                asked, _ = paired.setdefault(key, ([None, None], unit))
                asked[place] = function, job
        return [(Together(tuple(asked)), unit) for asked, unit in paired.values()]

    @property
    def given(self) -> set[int]:
        """Blocks that have no result yet."""
        return {index for attempt in self.attempts if attempt is not None for index in attempt.given}

    @property
    def is_complete(self) -> bool:
        return not self._open and all(attempt is None or attempt.is_complete for attempt in self.attempts)

    def next_calls(self) -> list[tuple[Any, Together, PartSource]]:
        """All calls, once: a model has one stage."""
        calls, self._calls = self._calls, []
        return [(score_for_each, together, unit) for together, unit in calls]

    def add(self, results: Results) -> BlockResult:
        """Take the results of a call. Raises BatchScoreError: the champion failed."""
        self._open -= 1
        champion, challenger = results
        if isinstance(champion, BatchScoreError):
            raise champion
        if champion is not None and self.attempts[0] is not None:
            self.attempts[0].add(champion)
        if isinstance(challenger, BatchScoreError):
            self._give_up(challenger)
        elif challenger is not None and self.attempts[1] is not None:
            self.attempts[1].add(challenger)
        counted = results[self._leads]
        if isinstance(counted, BlockResult):
            return counted
        other = next((result for result in results if isinstance(result, BlockResult)), None)
        return replace(other, account=Account()) if other else _NOTHING

    def _give_up(self, error: BatchScoreError) -> None:
        if isinstance(error, InputChangedError):
            raise error
        if self.problem is None:
            log.error("the challenger has no scores: %s", error)
            self.problem = str(error)
        self.attempts[1] = None


def _read_as(job: BlockJob, unit: PartSource) -> tuple[object, ...]:
    """What makes a call of its own: blocks of several partitions are read once for all of them, if they read alike."""
    is_shared = isinstance(unit, Block) and unit.source.only
    return (tuple(job.types.items()), tuple(job.key_types.items())) if is_shared else ()


#: Counts for a call that gave none.
_NOTHING = BlockResult(
    index=0, part="", quarantine=None, bytes=0, account=Account(), features={}, predictions={}, rows=0, inputs=""
)
