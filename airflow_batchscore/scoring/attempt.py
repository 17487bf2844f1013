"""One attempt at a partition: its layout, the parts that are there, and the blocks that are missing.

The layout (``blocks-*.json``) is written before the first part. A retry uses the one it finds, if the files are those
that were cut, and scores the blocks whose part is not there.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.blocks import Block, cut, require_columns
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.key_types import key_types
from airflow_batchscore.data.layout import layout_from_json, layout_to_json
from airflow_batchscore.engine.base import Session
from airflow_batchscore.errors import InputError
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring import groups
from airflow_batchscore.scoring.block import score_block
from airflow_batchscore.scoring.function import is_grouped
from airflow_batchscore.scoring.job import Progress, ScoringJob
from airflow_batchscore.scoring.manifest import BlockResult, Manifest
from airflow_batchscore.scoring.part import BlockJob, read_result, require_limit
from airflow_batchscore.scoring.whole import Whole, score_whole

log = logging.getLogger(__name__)

#: Functions, and what each is run over: one after the other.
Stages = list[tuple[Callable[..., BlockResult], Sequence[Any]]]


@dataclass(frozen=True)
class Attempt:
    """One attempt at the blocks of a partition.

    Attributes:
        replayed: the committed manifest whose blocks with quarantined rows are scored again; None otherwise.
    """

    job: ScoringJob
    block_job: BlockJob
    partition: Partition
    session: Session
    progress: Progress | None
    replayed: Manifest | None

    def run(self) -> tuple[list[BlockResult], int, str]:
        """The results of all blocks in order, the rows that this attempt read itself, and the digest of the layout."""
        layout = self._layout()
        digest = hashlib.sha256(json.dumps(layout_to_json(layout)).encode()).hexdigest()
        return *self._score(layout, digest), digest

    def _layout(self) -> list[Block]:
        layout = self._stored_layout()
        if layout is None:
            return self._new_layout()
        held = {file.uri: file.stamp for file in self.partition.files}
        if {block.source.uri: block.source.stamp for block in layout} == held:
            return layout
        log.warning(
            "partition %s: its files were touched since an earlier attempt cut them, so that nothing of it is used",
            self.partition.key,
        )
        return self._new_layout()

    def _stored_layout(self) -> list[Block] | None:
        """What an earlier attempt wrote down; None where it wrote nothing that can be read."""
        try:
            stored = storage.read_json(self._layout_uri, self.job.conn_id)
            return None if stored is None else layout_from_json(stored)
        except (InputError, LookupError, TypeError, ValueError) as error:
            log.warning(
                "partition %s: %s cannot be used, so the files are cut again: %s: %s",
                self.partition.key,
                self._layout_uri,
                type(error).__name__,
                error,
            )
            return None

    @property
    def _layout_uri(self) -> str:
        token = hashlib.sha256(self.job.token.encode()).hexdigest()[:8] if self.job.token else "shared"
        return storage.join(self.block_job.folder, f"blocks-{token}.json")

    @property
    def _remote(self) -> bool:
        return not (storage.is_local(self.job.dataset.uri) and storage.is_local(self.job.output_uri))

    def _new_layout(self) -> list[Block]:
        """Cut, check the columns before anything is scored, and write it down for a retry."""
        layout = cut(
            self.job.dataset,
            self.partition,
            block_rows=self.job.block_rows,
            columns=self.block_job.columns,
            block_memory=self.session.block_memory,
            keys=list(self.block_job.key_types),
        )
        for source in dict.fromkeys(block.source for block in layout):
            require_columns(source, self.block_job.columns, partition_key=self.partition.key)
        storage.write_json(self._layout_uri, layout_to_json(layout), self.job.conn_id)
        return layout

    def _score(self, layout: Sequence[Block], digest: str) -> tuple[list[BlockResult], int]:
        named: list[Any] = [digest, self.job.token]
        done: dict[int, BlockResult] = {}
        if self.replayed is not None:
            named.append(self.replayed.replays + 1)
            done = {block.index: block for block in self._kept(self.replayed, digest) if block.quarantine is None}
        asked, declared = self.block_job.key_types, self.job.dataset.column_types
        types = key_types([block.source for block in layout], asked, declared, self.partition.key)
        job = replace(
            self.block_job, key_types=types, prefix=hashlib.sha256(json.dumps(named).encode()).hexdigest()[:8]
        )
        stages = _stages(job, layout)
        units = _units(stages)
        done |= self._written(job, stages)
        require_limit(job.limit, done.values(), f"partition {self.partition.key}", job.folder)
        if done:
            log.info("partition %s: %d of %d blocks are there already", self.partition.key, len(done), len(units))
        there = account = sum((result.account for result in done.values()), Account())
        report = self.progress or (lambda *_: None)
        if done:
            report(len(done), len(units), account)
        for function, some in stages:
            missing = [(job, unit) for unit in some if unit.index not in done]
            for result in self.session.run(function, missing, remote=self._remote) if missing else ():
                done[result.index] = result
                account += result.account
                report(len(done), len(units), account)
        return [done[unit.index] for unit in units], account.rows_read - there.rows_read

    def _kept(self, replayed: Manifest, layout: str) -> Sequence[BlockResult]:
        """The blocks of a committed partition that may stay."""
        if replayed.layout != layout:
            log.warning("partition %s was cut otherwise when it was committed: all is scored again", replayed.key)
            return ()
        # Groups are put together from all blocks, so all are read again.
        return () if is_grouped(self.block_job.work) else replayed.blocks

    def _written(self, job: BlockJob, stages: Stages) -> dict[int, BlockResult]:
        """Results of the parts that lie there, from their footers: no finished input is read again."""
        names = {job.part_name(unit.index) for unit in _units(stages)}
        parts = [file for file in storage.list_files(job.folder, job.conn_id) if file.uri.rpartition("/")[2] in names]
        results = storage.each(lambda file: read_result(job, file.uri, file.size), parts, job.folder)
        found = {result.index: result for result in results if result is not None}
        if len(stages) > 1 and any(unit.index not in found for unit in stages[-1][1]):
            # The rows that are missing come from what blocks were sorted into, which must be there, too.
            there = groups.spilled(job.folder, job.conn_id)
            for unit in stages[0][1]:
                if job.part_name(unit.index) not in there:
                    found.pop(unit.index, None)
        return found


def _units(stages: Stages) -> list[Any]:
    return [unit for _, some in stages for unit in some]


def _stages(job: BlockJob, layout: Sequence[Block]) -> Stages:
    """What is run over what, one stage after the other; each unit has an index of its own, and writes a part."""
    is_one_block = len(layout) == 1 and layout[0].source.kind != "stream"
    if not job.work.row_wise or (is_grouped(job.work) and is_one_block):
        return [(score_whole, [Whole(tuple(layout))])]
    if not is_grouped(job.work):
        return [(score_block, layout)]
    buckets = groups.bucket_count(layout)
    return [
        (groups.spill_block, [groups.Spill(block, buckets) for block in layout]),
        (groups.score_bucket, [groups.Bucket(len(layout) + n, n, len(layout)) for n in range(buckets)]),
    ]
