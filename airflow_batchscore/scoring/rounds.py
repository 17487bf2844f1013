"""Rounds of a sample: they grow as far as there is time to repeat them, and tell the pace of the run."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, median, pstdev

from airflow_batchscore.data.blocks import cut
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.engine.base import Engine
from airflow_batchscore.engine.memory import MemoryWatch
from airflow_batchscore.errors import InputError
from airflow_batchscore.plan.estimate import Pace
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.scoring.prepare import Preparer
from airflow_batchscore.scoring.round import ENOUGH, Round, telling
from airflow_batchscore.scoring.sample import Piece, SampledDataset, sliced, spread

#: Rows of the first slices of blocks.
_FIRST_ROWS = 1000
_GROWTH = 16
#: Share of the time left that a larger round may take. The rest is for repeating it.
_TIME_TO_GROW = 0.5
#: Share of the time left that one repetition takes.
_TIME_TO_REPEAT = 0.3
#: Repetitions are no smaller a part of the largest round than this.
_LEAST_REPEATED = 0.2
#: Of the average block.
_WHOLE = 0.8
#: A sample measures for so long, however short the run is.
_LEAST_SECONDS = 2.0
#: No sample needs longer than this.
_MOST_SECONDS = 60.0
#: Rounds that agree so well are enough.
_AGREEMENT = 0.05
#: Partitions that are scored whole are a sample of any run while they are as small as this.
_SMALL_BYTES = 4 << 20
#: Of a single round, nothing tells by how much others differ.
_UNKNOWN_SPREAD = 0.15


class Rounds:
    """Samples partitions of one kind.

    Args:
        job: writes where nobody reads.
        engine: its sessions are one and the same.
        workers: of the session.
        partitions: of the kind; at least one.
        most_bytes: that may be scored of whole partitions, where work cannot be cut.
        before: seconds that were spent on them already, which the sample costs, too.
        sizes: partition key -> its size, where that is not what its files have; see `evened`.

    Attributes:
        rows: scored so far.
    """

    def __init__(
        self,
        job: ScoringJob,
        engine: Engine,
        workers: int,
        partitions: Sequence[Partition],
        most_bytes: float,
        before: float = 0.0,
        sizes: Mapping[str, float] | None = None,
    ) -> None:
        self._job, self._engine, self._workers, self._most_bytes = job, engine, workers, most_bytes
        self._sizes = sizes or {partition.key: float(partition.size) for partition in partitions}
        self._partitions = sorted(partitions, key=self._size)
        self._pinned: dict[str, tuple[Partition, list[Block]]] = {}
        self._rounds: list[Round] = []
        self._turn = 0
        self._first = self._small = self._second = self._next = self._left = 0.0
        self._cutting = math.inf
        self._aside = before
        self._memory = MemoryWatch()
        self._block = math.inf
        self._batch_rows = math.inf
        self.rows = 0

    def paces(self) -> Iterator[Pace]:
        """What is known of the pace, after each round; a round begins when the next pace is asked for.

        Raises:
            InputError: the work cannot be cut, and its smallest piece is too large for a sample.
        """
        with self._memory.watched():
            middle = self._partitions[len(self._partitions) // 2]
            began = time.monotonic()
            unit = Preparer(self._job).prepare(self._job.dataset.pin(middle)).scorer.unit
            self._aside += time.monotonic() - began
            if unit == "block" and self._can_be_cut(middle):
                yield from self._slices(middle)
            else:
                yield from self._whole(unit)

    def may_go_on(self, seconds: float) -> bool:
        """Whether the next round still lies within so many seconds for all of them, and would tell something new."""
        spent = sum(each.seconds for each in self._rounds)
        rates = [each.seconds / each.bytes for each in telling(self._rounds) if each.bytes]
        if len(rates) >= ENOUGH and spent > _LEAST_SECONDS / 2 and pstdev(rates) < _AGREEMENT * fmean(rates):
            return False
        aside = self._aside + self._first + self._small + self._second
        allowed = min(max(seconds - aside, _LEAST_SECONDS), _MOST_SECONDS)
        self._left = allowed - spent
        return self._next <= self._left

    def _size(self, partition: Partition) -> float:
        return self._sizes[partition.key]

    def _can_be_cut(self, partition: Partition) -> bool:
        return not self._cut(partition)[1][0].source.is_stream

    def _slices(self, middle: Partition) -> Iterator[Pace]:
        """The beginnings of blocks, then blocks, and more of them."""
        blocks = self._cut(middle)[1]
        self._block = self._size(middle) / len(blocks)
        first = blocks[0].source
        self._batch_rows = first.batch_rows if first.kind == "row_groups" else math.inf  # lines are one batch per block
        share = min(1.0, _FIRST_ROWS / self._rows_per_block(blocks))
        # The first round also loads the libraries and the model, in each thread.
        self._first = self._score(self._take(self._workers, share), share).seconds
        self._memory.begin()
        small = self._least(self._take(1, share), share)
        self._small = small.seconds
        if len(self._partitions) > 1:
            self._second = self._least([*self._take(1, share), *self._take(1, share, 1)], share).seconds
        share, count = min(share * _GROWTH, 1.0), self._workers
        while True:
            done = self._score(self._take(count, share), share)
            self._rounds.append(done)
            largest = max(each.share for each in self._rounds)
            is_whole = done.share == 1 and len(self._rounds) > 1 and self._rounds[-2].share == 1
            least = max(_LEAST_REPEATED * largest, small.share)  # what cannot be cut is repeated whole
            self._next = 2 * done.seconds if is_whole else max(least * done.whole_seconds, small.seconds)
            yield self._pace(small)
            slow = max(each.whole_seconds for each in self._rounds if each.share == largest)
            larger = min(1.0, _GROWTH * largest, _TIME_TO_GROW * self._left / slow)
            if is_whole:
                count *= 2
            elif largest < 1 and larger >= min(2 * largest, 1.0):
                share = larger
            else:
                share = min(largest, max(_TIME_TO_REPEAT * self._left / done.whole_seconds, least))

    def _whole(self, unit: str) -> Iterator[Pace]:
        """Whole partitions, small ones first."""
        smallest = self._partitions[0]
        if smallest.size > _SMALL_BYTES and self._size(smallest) > self._most_bytes:
            share = self._size(smallest) / sum(map(self._size, self._partitions))
            what = "a compressed file" if unit == "block" else "what needs whole partitions or groups"
            raise InputError(
                f"estimate: {what} is sampled by whole partitions, and the smallest, {smallest.key}, has "
                f"{share:.1%} of the data, more than the sample may cost. Allow it to: "
                f"estimate={min(1.0, math.ceil(105 * share) / 100):.2f}. Or plan without an estimate"
            )
        place, count = 0, 1
        self._first = self._score_whole(self._partitions[:1]).seconds
        self._memory.begin()
        while True:
            chosen = [self._partitions[(place + n) % len(self._partitions)] for n in range(count)]
            chosen = list({partition.key: partition for partition in chosen}.values())
            place += count
            done = self._score_whole(chosen)
            self._rounds.append(done)
            following = self._size(self._partitions[place % len(self._partitions)])
            count = min(max(self._workers, 2 * count), len(self._partitions))
            self._next = done.seconds / max(done.bytes, 1) * max(following, 1) * count
            self._block = math.inf if unit != "group" else done.bytes / done.lanes
            yield self._pace(None)

    def _cut(self, partition: Partition) -> tuple[Partition, list[Block]]:
        """The partition, pinned, and its blocks."""
        if partition.key not in self._pinned:
            looked = time.monotonic()
            pinned = self._job.dataset.pin(partition)
            prepared = Preparer(self._job).prepare(pinned)
            columns = list(dict.fromkeys([*prepared.types, *prepared.key_types]))
            with self._engine.session() as session:
                memory = session.block_memory
            began = time.monotonic()
            blocks = cut(
                self._job.dataset,
                pinned,
                block_rows=self._job.block_rows,
                columns=columns,
                block_memory=memory,
                keys=list(prepared.key_types),
                numbered=False,  # that may read all of it; what is scored of it is numbered then
            )
            self._cutting = min(self._cutting, time.monotonic() - began)
            self._aside += time.monotonic() - looked
            self._pinned[partition.key] = pinned, blocks
        return self._pinned[partition.key]

    def _take(self, count: int, share: float, offset: int = 0) -> list[Piece]:
        """So many blocks, from the middle partition and others: the next larger, the next smaller, and so on."""
        pieces: list[Piece] = []
        middle = len(self._partitions) // 2
        for step in range(len(self._partitions)):
            aside = (step + offset + 1) // 2 * (-1 if (step + offset) % 2 else 1)
            pinned, blocks = self._cut(self._partitions[(middle + aside) % len(self._partitions)])
            rows = self._rows_per_block(blocks) if share < 1 else 0
            chosen = [sliced(block, share, rows) for block in spread(blocks, count, self._turn)]
            pieces.append(Piece(pinned, tuple(chosen)))
            count -= len(chosen)
            if count <= 0:
                break
        return pieces

    def _rows_per_block(self, blocks: Sequence[Block]) -> int:
        """Roughly: row groups can be larger than blocks should be."""
        stated = {block.source.uri: block.source.rows for block in blocks}
        if any(rows is None for rows in stated.values()):
            return self._job.block_rows
        return math.ceil(sum(rows or 0 for rows in stated.values()) / len(blocks)) or 1

    def _score(self, pieces: Sequence[Piece], share: float) -> Round:
        job = replace(self._job, dataset=SampledDataset.of(self._job.dataset, pieces))
        began = time.monotonic()
        manifests = self._scored(job, [piece.partition for piece in pieces])
        seconds = time.monotonic() - began
        size = 0.0
        for piece, manifest in zip(pieces, manifests, strict=True):
            read = piece.bytes([block.account.rows_read for block in manifest.blocks[: len(piece.blocks)]])
            size += read * self._size(piece.partition) / max(piece.partition.size, 1)
        blocks = sum(len(piece.blocks) for piece in pieces)
        done = size / (blocks * self._block)  # small blocks are scored whole
        share = 1.0 if done > _WHOLE else max(share, done)
        return self._round(share, seconds, size, manifests, blocks)

    def _least(self, pieces: Sequence[Piece], share: float) -> Round:
        """What they take when nothing disturbs them."""
        return min((self._score(pieces, share) for _ in range(2)), key=lambda each: each.seconds)

    def _score_whole(self, partitions: Sequence[Partition]) -> Round:
        began = time.monotonic()
        manifests = self._scored(self._job, partitions)
        seconds = time.monotonic() - began
        blocks = sum(len(manifest.blocks) for manifest in manifests)
        return self._round(1.0, seconds, sum(map(self._size, partitions)), manifests, blocks)

    def _scored(self, job: ScoringJob, partitions: Sequence[Partition]) -> list[Manifest]:
        """Each time anew: a token of its own finds nothing committed."""
        self._turn += 1
        job = replace(job, token=f"round {self._turn}")
        return [manifest for manifest, _ in score_partitions(job, [p.values for p in partitions], self._engine)]

    def _round(self, share: float, seconds: float, size: float, manifests: Sequence[Manifest], blocks: int) -> Round:
        rows, blocks = sum(manifest.account.rows_read for manifest in manifests), max(blocks, 1)
        self.rows += rows
        self._memory.look()
        return Round(share, seconds, size, rows, len(manifests), min(self._workers, blocks), blocks)

    def _filled(self, done: Round) -> float:
        """The share of the memory that whole blocks need. No more than a batch of a block is held at once."""
        return min(1.0, max(done.share, done.rows / done.blocks / self._batch_rows))

    def _pace(self, small: Round | None) -> Pace:
        seen = telling(self._rounds)
        size = sum(each.bytes for each in seen) or 1.0
        call = each_partition = worked = 0.0
        if small is not None and size / sum(each.partitions for each in seen) > 2 * small.bytes:
            each_partition = max(self._second - small.seconds, 0.0) if self._second else 0.0
            call, worked = max(small.seconds - each_partition, 0.0), small.bytes / small.lanes
        rates = [
            max(each.seconds - call - each.partitions * each_partition, 0.0) / (each.bytes / each.lanes - worked)
            for each in seen
            if each.bytes > each.lanes * worked
        ] or [0.0]
        return Pace(
            start_up=max(self._first - (small or self._rounds[0]).seconds, 0.0) + call,
            partition=each_partition + (0.0 if small is None else self._cutting),
            byte=median(rates),
            block=self._block,
            rows=sum(each.rows for each in seen) / size,
            memory=self._memory.at(max(map(self._filled, self._rounds))) if self._engine.is_local else None,
            spread=pstdev(rates) / (fmean(rates) or 1.0) if len(rates) > 1 else _UNKNOWN_SPREAD,
        )
