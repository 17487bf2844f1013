"""Rounds of a sample: they grow, they end in time, and the pace that they give is that of what was scored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from packages import install
from support import Small, good_rows

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.formats.csv_format import Csv
from airflow_batchscore.data.formats.registry import GROUP
from airflow_batchscore.scoring import rounds
from airflow_batchscore.scoring.estimate import _Kept
from airflow_batchscore.scoring.round import Round
from airflow_batchscore.scoring.rounds import Rounds

pytestmark = pytest.mark.unit

READ: list[int] = []


@pytest.fixture
def kept() -> Any:
    """Two workers that stay."""
    engine = LocalDask(workers=2)
    with ExitStack() as resources:
        yield _Kept(engine, resources.enter_context(engine.session()))


def _rounds(data: Small, kept: Any, *keys: str, before: float = 0.0, **options: Any) -> Rounds:
    job = data.job(output_uri=f"{data.folder}/sample", allow_empty=True, **options)
    partitions = [partition for partition in job.dataset.require() if partition.key in keys]
    return Rounds(job, kept, 2, partitions, most_bytes=0, before=before)


def test_slices_grow_to_blocks_and_blocks_to_more_of_them(
    data: Small, kept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "_GROWTH", 2)
    data.add(2, good_rows(40_000))
    made = _rounds(data, kept, "p=2", block_rows=8_000)
    paces = []
    for pace in made.paces():
        paces.append(pace)
        made.may_go_on(60.0)
        if len(paces) == 6:
            break
    assert made._rounds[0].share < 1
    assert made._rounds[-1].share == 1
    assert made._rounds[-1].bytes >= 2 * made._rounds[0].bytes
    last = paces[-1]
    size = (data.folder / "part_2.csv").stat().st_size
    assert last.rows * size == pytest.approx(40_000, rel=0.1)
    assert last.block == pytest.approx(size / 5, rel=0.5)
    assert last.byte > 0
    assert last.memory is not None


def test_several_small_partitions_make_a_round(data: Small, kept: Any) -> None:
    for partition in range(2, 8):
        data.add(partition, good_rows(100 + partition))
    made = _rounds(data, kept, *(f"p={partition}" for partition in range(2, 8)))
    for _ in islice(made.paces(), 4):
        made.may_go_on(60.0)
    assert made._rounds[-1].partitions > made._rounds[0].partitions
    assert {each.share for each in made._rounds} == {1}  # there is nothing to slice
    assert max(each.partitions for each in made._rounds) <= 6


def _with(made: Rounds, *seen: tuple[float, float, float]) -> Rounds:
    made._rounds = [Round(share, seconds, size, 10, 1, 2, 2) for share, seconds, size in seen]
    return made


def test_a_sample_ends_in_time(data: Small, kept: Any) -> None:
    made = _with(_rounds(data, kept, "p=1"), (1.0, 1.0, 10.0))
    made._next = 3.0
    assert not made.may_go_on(3.5)
    assert made.may_go_on(4.5)
    made._next = 100.0
    assert not made.may_go_on(10_000.0)  # no sample needs longer
    made._next = 0.5
    assert made.may_go_on(0.0)  # but each measures for a moment


def test_what_was_spent_before_the_first_round_counts(data: Small, kept: Any) -> None:
    made = _with(_rounds(data, kept, "p=1", before=20.0), (1.0, 1.0, 10.0))
    made._next = 4.0
    assert not made.may_go_on(24.5)
    assert made.may_go_on(25.5)
    partition = made._partitions[0]
    made._cut(partition)
    spent = made._aside
    assert spent > 20.0
    made._cut(partition)
    assert made._aside == spent


class Watched(Csv):
    """Notes the ranges that are read."""

    def read(self, block: Block, *arguments: Any) -> Iterator[Batch]:
        READ.append(block.start)
        return super().read(block, *arguments)


def test_rows_are_not_numbered_to_choose_among_blocks(
    data: Small, kept: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file that does not state its rows this reads all of it."""
    install(monkeypatch, tmp_path / "site", "noted", GROUP, {".noted": f"{__name__}:Watched"})
    data.add(1, good_rows(40_000))
    (data.folder / "part_1.csv").rename(data.folder / "part_1.noted")
    dataset = PartitionedDataset(f"{data.folder}/part_{{p}}.noted")
    made = _rounds(data, kept, "p=1", dataset=dataset, keys=("_row",), block_rows=4_000)
    READ.clear()
    assert len(made._cut(made._partitions[0])[1]) > 5
    assert READ == []
    next(made.paces())
    assert made.rows > 0


def test_a_sample_ends_when_its_rounds_agree(data: Small, kept: Any) -> None:
    made = _rounds(data, kept, "p=1")
    agreeing = [(1.0, 9.0, 10.0), (1.0, 1.0, 10.0), (1.0, 2.02, 20.0), (1.0, 3.98, 40.0)]
    made._next = 8.0
    assert not _with(made, *agreeing).may_go_on(1000.0)
    assert _with(made, *agreeing[:3]).may_go_on(1000.0)
    assert _with(made, *agreeing[:3], (1.0, 6.0, 40.0)).may_go_on(1000.0)


def test_the_pace_is_that_of_whole_blocks_but_for_the_first(data: Small, kept: Any) -> None:
    made = _rounds(data, kept, "p=1")
    _with(made, (0.1, 50.0, 1.0), (1.0, 30.0, 10.0), (1.0, 10.0, 10.0), (1.0, 20.0, 20.0))
    pace = made._pace(None)
    assert pace.byte == 2 * 30 / 30  # of one of two workers
    assert pace.spread == 0
    first = _with(made, (0.1, 50.0, 1.0))._pace(None)
    assert first.byte == 100
    assert first.spread == rounds._UNKNOWN_SPREAD


def test_the_pace_is_not_that_of_the_round_that_makes_room(data: Small, kept: Any) -> None:
    """What uses memory for the first time is slow; later rounds of about its size are as the run will be."""
    made = _rounds(data, kept, "p=1")
    _with(made, (0.1, 5.0, 10.0), (0.5, 50.0, 50.0), (0.2, 2.0, 20.0), (0.55, 5.5, 55.0), (0.15, 9.0, 15.0))
    pace = made._pace(None)
    assert pace.byte == 2 * 0.1  # the middle one of the three
    assert pace.spread == pytest.approx(0.884, abs=0.001)  # of 0.1, 0.1 and 0.6


def test_empty_files_tell_nothing_of_the_pace(data: Small, kept: Any) -> None:
    made = _rounds(data, kept, "p=1")
    for size in (0.0, 400.0):
        _with(made, (1.0, 2.0, 1e7), (1.0, 1.0, 1e7), (1.0, 0.01, size), (1.0, 0.01, size))
        assert made._pace(None).byte == 2 * 1.0 / 1e7
    assert _with(made, (1.0, 0.01, 0.0))._pace(None).byte == 0.0


def _parquet(data: Small, kept: Any, rows: int = 40_000) -> Rounds:
    """Of row groups that are larger than blocks should be, but not so large that they are cut."""
    data.add(1, good_rows(rows))
    pd.read_csv(data.folder / "part_1.csv").to_parquet(data.folder / "part_1.parquet", row_group_size=10_000)
    dataset = PartitionedDataset(f"{data.folder}/part_{{p}}.parquet")
    return _rounds(data, kept, "p=1", dataset=dataset, block_rows=6_000)


def test_a_slice_is_a_share_of_the_row_group(data: Small, kept: Any) -> None:
    made = _parquet(data, kept)
    assert [block.rows for piece in made._take(2, 0.3) for block in piece.blocks] == [(0, 3_000), (0, 3_000)]


def test_a_block_of_few_rows_is_scored_whole_from_the_start(data: Small, kept: Any) -> None:
    """A few rows of it would tell what a call costs, and nothing else."""
    made = _parquet(data, kept, rows=900)
    next(made.paces())
    assert made.rows == 900 * 4  # each time: first, twice to see what is least, and the first round that counts


def test_memory_grows_with_a_block_of_lines_and_no_further_than_a_batch_of_a_row_group(data: Small, kept: Any) -> None:
    groups, lines = _parquet(data, kept), _rounds(data, kept, "p=1", block_rows=6_000)
    half = Round(0.5, 1.0, 1.0, 10_000, 1, 2, 2)
    for made, filled in ((groups, 5 / 6), (lines, 0.5)):
        next(made.paces())
        assert made._filled(half) == filled


@pytest.mark.parametrize("seconds", [0.3, 1.0, 3.0, 30.0])
@pytest.mark.parametrize(("call", "least"), [(0.0, 0.0), (0.0, 1.0), (0.05, 0.0)])
def test_a_sample_keeps_time_to_repeat_its_largest_round(
    data: Small, kept: Any, monkeypatch: pytest.MonkeyPatch, seconds: float, call: float, least: float
) -> None:
    """Blocks of one second, or of two where they make room; those that cannot be cut; a fixed time for each round."""
    monkeypatch.setattr(rounds, "_LEAST_SECONDS", 0.0)
    made = _rounds(data, kept, "p=1")
    largest = 0.0

    def score(pieces: Any, share: float) -> Round:
        nonlocal largest
        share = max(share, least)
        room, largest = max(share - largest, 0.0), max(share, largest)
        blocks = sum(len(piece.blocks) for piece in pieces)
        return Round(share, call + (share + room) * blocks / 2, share * blocks, 10, 1, 2, blocks)

    monkeypatch.setattr(made, "_score", score)
    for pace in made.paces():  # noqa: B007
        if not made.may_go_on(made._aside + made._first + made._small + made._second + seconds):
            break
    assert sum(each.seconds for each in made._rounds) <= max(seconds, made._rounds[0].seconds)
    assert pace.byte == pytest.approx(1.0, rel=0.1)


def test_what_every_partition_takes_is_told_apart_from_what_its_bytes_take(data: Small, kept: Any) -> None:
    made = _with(_rounds(data, kept, "p=1"), (1.0, 99.0, 1000.0), (1.0, 10.0, 1000.0))
    made._first, made._second, made._cutting = 5.0, 0.75, 0.0
    pace = made._pace(Round(0.1, 0.5, 10.0, 1, 1, 1, 1))
    assert (pace.partition, pace.start_up) == (0.25, 4.5 + 0.25)
    assert pace.byte == (10 - 0.25 - 0.25) / (1000 / 2 - 10)  # one lane of two, without the bytes of the small round
