"""One attempt at a partition: its layout, the existing parts, and the missing blocks.

The layout (``blocks-*.json``) is written before the first part, unless the partition has only one. A retry uses the
existing layout if the files have not changed since they were cut, and scores the blocks whose part is missing.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from airflow_batchscore.data import storage
from airflow_batchscore.data.blocks import cut, require_columns
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.formats.base import Block, Source
from airflow_batchscore.data.key_types import key_types
from airflow_batchscore.data.layout import layout_from_json, layout_to_json
from airflow_batchscore.data.pattern import shown
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring import groups
from airflow_batchscore.scoring.block import PartSource, score_block
from airflow_batchscore.scoring.group_keys import HASHES
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import BlockResult, Manifest
from airflow_batchscore.scoring.part import BlockJob, read_result, require_limit
from airflow_batchscore.scoring.whole_partition import Whole, score_whole

log = logging.getLogger(__name__)

#: Functions, each with the units it is run over, in order.
Stages = list[tuple[Callable[..., BlockResult], Sequence[PartSource]]]
#: A function and its arguments.
Call = tuple[Callable[..., BlockResult], BlockJob, PartSource]


class Attempt:
    """One attempt at the blocks of a partition: which calls are missing, and what those that were made returned.

    Args:
        block_memory: bytes that a worker may use for a block; None if unknown.
        replayed: the committed manifest whose blocks with quarantined rows are scored again; None otherwise.
        like: blocks to take unless an earlier attempt cut its own; None cuts the files.
        removed: number of the note that earlier scores were removed, whose parts do not count; 0 if there is none.

    Attributes:
        layout: the blocks.
        digest: of the layout.
        blocks: how many parts the partition gets.
        done: results by the index of their block.
        account: of what is done.
        reused: of what earlier attempts did.
    """

    def __init__(
        self,
        job: ScoringJob,
        block_job: BlockJob,
        partition: Partition,
        block_memory: int | None,
        replayed: Manifest | None,
        like: list[Block] | None = None,
        removed: int = 0,
    ) -> None:
        self._removed = removed
        self._job, self._partition, self._block_memory, self._replayed = job, partition, block_memory, replayed
        self._block_job, self._like = block_job, like
        self.layout = self._layout()
        self.digest = layout_digest(self.layout)
        rules = replace(block_job.rules, keys=self._kept_keys())
        self._block_job = replace(block_job, rules=rules, key_types=self._key_types(), prefix=self._prefix())
        stages = _stages(self._block_job, self.layout)
        self._stages = iter(stages)
        self._units = [unit for _, units in stages for unit in units]
        self.blocks = len(self._units)
        self.done = self._existing(stages)
        self.account = self.reused = sum((result.account for result in self.done.values()), Account())
        #: Blocks whose calls were given, and that have no result yet.
        self.given: set[int] = set()
        if self.done:
            log.info(
                "partition %s: %d of %d blocks are there already", shown(partition.key), len(self.done), self.blocks
            )

    def _kept_keys(self) -> tuple[str, ...]:
        """The keys that parts have: the partition's own fields are not repeated in each row, as readers see them twice.

        Groups keep theirs, which are part of what names a group.
        """
        keys, given = self._block_job.rules.keys, [dict(source.given) for source in self._sources]
        if self._block_job.scorer.unit == "group":
            return keys
        by = self._job.dataset.terms
        own = set() if by is None else {term.field for term in by.terms if term.field == term.column}
        fields = [
            key for key in keys if key in own or (key in self._partition.values and all(key in each for each in given))
        ]
        return tuple(key for key in keys if key not in fields)

    @property
    def keys(self) -> tuple[str, ...]:
        """The key columns of the parts."""
        return self._block_job.rules.keys

    @property
    def _sources(self) -> list[Source]:
        return list(dict.fromkeys(block.source for block in self.layout))

    @property
    def is_complete(self) -> bool:
        """Whether every block has a result."""
        return len(self.done) == self.blocks

    def next_calls(self) -> list[Call]:
        """The missing calls of the next stage, each given once; none while results of the stage before are missing."""
        if self.given:
            return []
        for function, units in self._stages:
            missing = [unit for unit in units if unit.index not in self.done]
            if missing:
                self.given = {unit.index for unit in missing}
                return [(function, self._block_job, unit) for unit in missing]
        return []

    def add(self, result: BlockResult) -> BlockResult:
        """Take the result of a call; returns what is counted of it."""
        self.done[result.index] = result
        self.account += result.account
        self.given.discard(result.index)
        return result

    def results(self) -> list[BlockResult]:
        """Of all blocks, in order. Raises InputError if fewer or more rows were read than the files state."""
        self._require_every_row()
        return [self.done[unit.index] for unit in self._units]

    def _require_every_row(self) -> None:
        stated = [source.rows for source in self._sources]
        counts = [rows for rows in stated if rows is not None]
        # Files of several partitions state the rows of all of them.
        read = self.account.rows_read + sum(result.others for result in self.done.values())
        if len(counts) == len(stated) and sum(counts) != read:
            raise InputError(
                f"partition {self._partition.key}: its files state {sum(counts)} rows, but {read} were read. Nothing "
                "was committed. The files, or the code that reads their format, are at fault: write the files again"
            )

    def _layout(self) -> list[Block]:
        layout = self._stored_layout()
        if layout is None:
            return self._new_layout()
        held = {file.uri: file.stamp for file in self._partition.files}
        if {block.source.uri: block.source.stamp for block in layout} == held:
            return layout
        log.warning(
            "partition %s: its files have changed since an earlier attempt cut them; that attempt is not used",
            self._partition.key,
        )
        return self._new_layout()

    def _stored_layout(self) -> list[Block] | None:
        """The layout of an earlier attempt; None if it wrote none that can be read."""
        return stored_layout(self._block_job.folder, self._job.token, self._partition.key, self._removed)

    def _new_layout(self) -> list[Block]:
        """Cut into blocks, check the columns before anything is scored, and store the layout for a retry.

        A single part needs none: a retry cuts the file alike, or makes the one part again.
        """
        layout = self._like
        if layout is None:
            columns, keys = self._block_job.columns, list(self._block_job.key_types)
            layout = new_layout(self._job, self._partition, self._block_memory, columns, keys)
        for source in dict.fromkeys(block.source for block in layout):
            require_columns(source, self._block_job.columns, partition_key=self._partition.key)
        if not _is_one_block(layout):
            file = _layout_file(self._block_job.folder, self._job.token, self._removed)
            storage.write_json(file, layout_to_json(layout))
        return layout

    def _prefix(self) -> str:
        """Distinguishes the parts of this layout, and of this replay, from others."""
        identity: list[object] = [self.digest, self._job.token]
        if self._replayed is not None:
            identity.append(self._replayed.replays + 1)
        if self._block_job.scorer.unit == "group":
            identity.append(f"hashes {HASHES}")
        if self._removed:
            identity.append(f"after {self._removed}")  # who removes earlier parts never names these
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]

    def _key_types(self) -> dict[str, str | None]:
        asked = self._block_job.key_types
        types = key_types(self._sources, asked, self._job.dataset.column_types, self._partition.key)
        return {name: types[name] for name in asked}  # a layout for two models names the keys of both

    def _existing(self, stages: Stages) -> dict[int, BlockResult]:
        """What is done already. Raises ScoringError if it has more rows in quarantine than are allowed."""
        job, done = self._block_job, {}
        if self._replayed is not None:
            kept = self._kept(self._replayed, self.digest)
            done = {block.index: block for block in kept if block.quarantine is None}
        done |= self._written(job, stages)
        require_limit(job.rules.limit, done.values(), f"partition {self._partition.key}", job.folder)
        return done

    def _kept(self, replayed: Manifest, layout: str) -> Sequence[BlockResult]:
        """The blocks of a committed partition that can be kept."""
        if replayed.layout != layout:
            log.warning(
                "partition %s was cut into other blocks when it was committed: all of it is scored again", replayed.key
            )
            return ()
        # Groups take rows from all blocks, so all are read again.
        return () if self._block_job.scorer.unit == "group" else replayed.blocks

    def _written(self, job: BlockJob, stages: Stages) -> dict[int, BlockResult]:
        """Results of existing parts, from their footers: no finished input is read again."""
        names = {job.part_name(unit.index) for unit in self._units}
        parts = [file for file in storage.list_files(job.folder) if file.uri.rpartition("/")[2] in names]
        results = storage.each(lambda file: read_result(job, file), parts, job.folder.uri)
        written = {result.index: result for result in results if result is not None}
        if len(stages) > 1 and any(unit.index not in written for unit in stages[-1][1]):
            # The missing rows come from the spilled files of the blocks, which must exist as well.
            spilled = groups.spilled(job.folder)
            for unit in stages[0][1]:
                if job.part_name(unit.index) not in spilled:
                    written.pop(unit.index, None)
        return written


def new_layout(
    job: ScoringJob, partition: Partition, block_memory: int | None, columns: Sequence[str], keys: Sequence[str]
) -> list[Block]:
    """Cut a partition for a job; see `cut`."""
    return cut(job.dataset, partition, block_rows=job.block_rows, columns=columns, block_memory=block_memory, keys=keys)


def layout_digest(layout: Sequence[Block]) -> str:
    """Identifies a layout in parts and manifests."""
    return hashlib.sha256(json.dumps(layout_to_json(layout)).encode()).hexdigest()


def stored_layout(folder: Location, token: str | None, key: str, removed: int = 0) -> list[Block] | None:
    """The layout that an attempt wrote into the folder of an identity; None if there is none that can be read.

    Args:
        token: of the job, see `ScoringJob`.
        key: of the partition, for messages.
        removed: see `Attempt`.
    """
    file = _layout_file(folder, token, removed)
    try:
        stored = storage.read_json(file)
        return None if stored is None else layout_from_json(stored)
    except (InputError, LookupError, TypeError, ValueError) as error:
        log.warning(
            "partition %s: %s cannot be used, so the files are cut again: %s: %s",
            key,
            file,
            type(error).__name__,
            error,
        )
        return None


def _layout_file(folder: Location, token: str | None, removed: int) -> Location:
    name = hashlib.sha256(token.encode()).hexdigest()[:8] if token else "shared"
    return folder / f"blocks-{name}{f'-{removed}' if removed else ''}.json"


def _is_one_block(layout: Sequence[Block]) -> bool:
    """Whether there is one block, whose size is known: the groups of a stream get several parts."""
    return len(layout) == 1 and not layout[0].source.is_stream


def _stages(job: BlockJob, layout: Sequence[Block]) -> Stages:
    """Stages in order: a function and its units; each unit has its own index and writes a part."""
    if job.scorer.unit == "partition" or (job.scorer.unit == "group" and _is_one_block(layout)):
        return [(score_whole, [Whole(tuple(layout))])]
    if job.scorer.unit == "block":
        return [(score_block, layout)]
    buckets = groups.bucket_count(layout)
    return [
        (groups.spill_block, [groups.Spill(block, buckets) for block in layout]),
        (groups.score_bucket, [groups.Bucket(len(layout) + n, n, len(layout)) for n in range(buckets)]),
    ]
