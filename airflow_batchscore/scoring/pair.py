"""A champion and its challenger: each has the scores that it would have alone, and the work is shared.

A challenger that fails does not keep the champion's scores from being committed: `Challenged` says why it has none.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from airflow_batchscore.data.blocks import require_columns
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.pattern import Values, partition_key, shown
from airflow_batchscore.data.shared_files import SharedFiles
from airflow_batchscore.engine.base import Engine, Session, WorkerLostError
from airflow_batchscore.errors import BatchScoreError, InputChangedError, InputError
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import ChampionAndChallenger, OneModel
from airflow_batchscore.scoring.attempt import layout_digest, new_layout, stored_layout
from airflow_batchscore.scoring.committed import PartitionState, partition_state
from airflow_batchscore.scoring.in_progress import PartitionInProgress, begin_from
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.pair_attempt import PairAttempt
from airflow_batchscore.scoring.partition import score_partitions, score_together
from airflow_batchscore.scoring.prepare import Preparer
from airflow_batchscore.scoring.scored import Challenge, ScoredPartition, ScoredTask
from airflow_batchscore.scoring.tally import Tally

log = logging.getLogger(__name__)

#: The challenger's manifest and whether it was committed already, or why there is none.
Challenged: TypeAlias = tuple[Manifest, bool] | str


class Scored(NamedTuple):
    """What was scored of a partition.

    Attributes:
        reused: whether the manifest was committed already.
        challenged: None if there is no challenger.
    """

    manifest: Manifest
    reused: bool
    challenged: Challenged | None = None


def score_run(
    job: ScoringJob, partitions: Sequence[Values], engine: Engine, *, slots: int = 1, tally: Tally | None = None
) -> list[Scored]:
    """`score_partitions`, also for a champion and its challenger."""
    models, tally = job.scored_with, tally or Tally(len(partitions))
    if not isinstance(models, ChampionAndChallenger):
        return [Scored(*each) for each in score_partitions(job, partitions, engine, slots=slots, tally=tally)]
    try:
        return score_together(_Pair(job, models), partitions, engine, slots=slots, tally=tally)
    except WorkerLostError as error:
        log.error("the champion is scored alone, as its challenger may be what ended a worker: %s", error)
        problem = f"a worker died while both were scored, and the champion was then scored alone: {error}"
        tally.restart()
    alone = replace(job, scored_with=OneModel(models.champion))
    scored = score_partitions(alone, partitions, engine, slots=slots, tally=tally)
    return [Scored(*each, problem) for each in scored]


def handed_on(scored: Sequence[Scored], entry: PlanEntry, run: str, conn_id: str | None) -> ScoredTask:
    """What a scoring task returns.

    Args:
        entry: of the plan, that the task scored.
        run: ``<dag_id>/<run_id>``.
        conn_id: of the scores, as the DAG names it.
    """

    def each(manifest: Manifest, *, reused: bool) -> ScoredPartition:
        return ScoredPartition.of(manifest, reused=reused, run=run, generation=entry.generation)

    challenge = None
    if isinstance(entry.models, ChampionAndChallenger):
        own = [each(one.challenged[0], reused=one.challenged[1]) for one in scored if isinstance(one.challenged, tuple)]
        failed = {one.manifest.key: one.challenged for one in scored if isinstance(one.challenged, str)}
        challenge = Challenge(entry.models.challenger, own, failed)
    return ScoredTask(entry.label, [each(one.manifest, reused=one.reused) for one in scored], conn_id, challenge)


class _Pair:
    """The work: each model in a job of its own."""

    parts = 2

    def __init__(self, job: ScoringJob, models: ChampionAndChallenger) -> None:
        self.job = replace(job, scored_with=OneModel(models.champion))
        self._challengers = replace(job, scored_with=OneModel(models.challenger))
        self._preparer = Preparer(self.job)
        self._challengers_preparer: Preparer | None = None

    def begin(self, values: Values, session: Session, files: SharedFiles) -> _PairInProgress | Scored:
        state = partition_state(self.job, self._preparer, values, files)
        other = self._challenger_state(values, files)
        problem = other if isinstance(other, str) else None
        if isinstance(other, str) or other.folder == state.folder:
            champion, challenger = begin_from(self.job, state, values, session), None
        else:
            like, others = self._layouts(state, other, session)
            champion = begin_from(self.job, state, values, session, like)
            challenger, problem = self._begin_challenger(other, values, session, others)
        if isinstance(champion, Manifest) and not isinstance(challenger, PartitionInProgress):
            own = champion if challenger is None else challenger
            return Scored(champion, True, problem or (own, True))
        return _PairInProgress(partition_key(values), champion, challenger, problem)

    def found(self, values: Values, files: SharedFiles) -> Scored | None:
        state = partition_state(self.job, self._preparer, values, files)
        other = self._challenger_state(values, files)
        if isinstance(other, str) or state.committed is None or other.committed is None:
            return None
        if not (state.is_done(self.job) and other.is_done(self._challengers)):
            return None
        return Scored(state.committed, True, (other.committed, True))

    def _challenger_state(self, values: Values, files: SharedFiles) -> PartitionState | str:
        try:
            if self._challengers_preparer is None:
                self._challengers_preparer = Preparer(self._challengers)
            return partition_state(self._challengers, self._challengers_preparer, values, files)
        except InputChangedError:
            raise
        except (BatchScoreError, OSError, SystemExit) as error:
            return _noted(values, error)

    def _begin_challenger(
        self, state: PartitionState, values: Values, session: Session, like: list[Block] | None
    ) -> tuple[PartitionInProgress | Manifest | None, str | None]:
        try:
            return begin_from(self._challengers, state, values, session, like), None
        except InputChangedError:
            raise
        except (BatchScoreError, OSError, SystemExit) as error:
            return None, _noted(values, error)

    def _layouts(
        self, state: PartitionState, other: PartitionState, session: Session
    ) -> tuple[list[Block] | None, list[Block] | None]:
        """Blocks for the champion and for the challenger: the same for both, if both can be cut alike."""
        if state.is_done(self.job):
            return None, None if other.is_done(self._challengers) else _committed_layout(state, other)
        if other.is_done(self._challengers):
            return _committed_layout(other, state), None
        columns = list(dict.fromkeys([*_columns(state), *_columns(other)]))
        keys = list(dict.fromkeys([*state.prepared.key_types, *other.prepared.key_types]))
        try:
            layout = new_layout(self.job, state.partition, session.block_memory, columns, keys)
            for source in dict.fromkeys(block.source for block in layout):
                require_columns(source, columns, partition_key=state.partition.key)
        except InputError:  # each says on its own what it lacks
            return None, None
        return layout, layout


def _columns(state: PartitionState) -> list[str]:
    return [*state.prepared.types, *state.prepared.key_types]


def _committed_layout(state: PartitionState, other: PartitionState) -> list[Block] | None:
    """The blocks of a committed partition, if `other` can take them: its rows are then compared block by block."""
    manifest = state.committed
    assert manifest is not None, "asked for where it is committed"
    layout = stored_layout(state.folder, manifest.token, manifest.key)
    covers = set(_columns(other)) <= set(_columns(state))
    covers = covers and other.prepared.key_types.keys() <= state.prepared.key_types.keys()
    held = {file.uri: file.stamp for file in other.partition.files}
    if layout is None or not covers or layout_digest(layout) != manifest.layout:
        return None
    return layout if {block.source.uri: block.source.stamp for block in layout} == held else None


def _noted(values: Values, error: BaseException) -> str:
    log.error("partition %s: the challenger has no scores: %s", shown(partition_key(values)), error)
    return str(error) or repr(error)


class _PairInProgress:
    """A partition that one or both models score."""

    def __init__(
        self,
        key: str,
        champion: PartitionInProgress | Manifest,
        challenger: PartitionInProgress | Manifest | None,
        problem: str | None,
    ) -> None:
        self.key, self.seconds = key, 0.0
        self._champion, self._challenger = champion, challenger
        both = [each.attempt if isinstance(each, PartitionInProgress) else None for each in (champion, challenger)]
        self.attempt = PairAttempt(both, problem)

    def commit(self, engine: Engine, files: SharedFiles) -> Scored:
        """Commit what was scored, the champion first. Raises like `PartitionInProgress.commit`."""
        champion = self._committed(self._champion, engine, files)
        if self.attempt.problem is not None:
            return Scored(*champion, self.attempt.problem)
        if self._challenger is None:
            return Scored(*champion, champion)
        try:
            return Scored(*champion, self._committed(self._challenger, engine, files))
        except InputChangedError:
            raise
        except BatchScoreError as error:
            log.error("partition %s: the challenger has no scores: %s", shown(self.key), error)
            return Scored(*champion, str(error))

    def _committed(
        self, scored: PartitionInProgress | Manifest, engine: Engine, files: SharedFiles
    ) -> tuple[Manifest, bool]:
        if isinstance(scored, Manifest):
            return scored, True
        scored.seconds = self.seconds
        return scored.commit(engine, files)
