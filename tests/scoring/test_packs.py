"""Partitions that share workers: the account, the commit and the failure stay per partition."""

from __future__ import annotations

import time
from contextlib import ExitStack, nullcontext
from typing import Any

import distributed
import pandas as pd
import pytest
from support import Small, good_rows, scores
from tallied import Told

from airflow_batchscore import DaskCluster, LocalDask
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.engine.base import Engine
from airflow_batchscore.errors import InputError, ScoringError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring import attempt
from airflow_batchscore.scoring.block import score_block
from airflow_batchscore.scoring.job import FunctionJob
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.part import BlockJob
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.scoring.tally import Count

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("bad", ["empty", "gone"])
def test_a_pack_commits_each_partition_by_itself(data: Small, bad: str) -> None:
    """One fails when its rows are counted, the other before it is cut into blocks."""
    if bad == "empty":
        data.add(2, [])
    for number in range(3, 30):
        data.add(number, good_rows(20, 1000 * number))
    with pytest.raises(InputError, match="p=2"):
        data.score(1, 2, 0, *range(3, 30))
    reused = [reused for _, reused in data.score(1, *range(3, 30))]
    assert reused[0], "it had begun before"
    assert not all(reused), "no further partition is begun"


def test_every_failed_partition_of_a_pack_is_named(data: Small, caplog: pytest.LogCaptureFixture) -> None:
    data.add(2, [])
    data.add(3, [])
    with pytest.raises(InputError, match="partition p=2: .* holds no rows"):
        data.score(2, 3)
    assert "partition p=3: " in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("where", ["task", "cluster"])
def test_a_failed_block_keeps_others_of_its_partition_from_beginning(
    data: Small, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = data.folder / "part_1.csv"
    header, first, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, first.replace(first.split(",")[1], "x", 1), *lines]) + "\n")
    begun = data.folder / "begun"
    begun.mkdir()

    def slow(job: BlockJob, block: Block) -> BlockResult:
        (begun / str(block.index)).touch()
        time.sleep(0.05)
        return score_block(job, block)

    monkeypatch.setattr(attempt, "score_block", slow)
    place = {"protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": None}
    with ExitStack() as resources:
        engine: Engine = LocalDask(workers=2, processes=False)
        if where == "cluster":
            cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, **place)
            engine = DaskCluster(resources.enter_context(cluster).scheduler_address)
        with pytest.raises(ScoringError, match="partition p=1, .* rows cannot be scored"):
            data.score(1, block_rows=5, engine=engine, limit=Limit.of(0))
    assert 0 < len(list(begun.iterdir())) < 50, "of 100"


def test_the_seconds_of_a_pack_are_shared_by_its_partitions(data: Small) -> None:
    for number in range(2, 9):
        data.add(number, good_rows(500, 1000 * number))
    began = time.monotonic()
    scored = data.score(*range(1, 9), engine=LocalDask(workers=2))
    assert 0 < sum(manifest.seconds for manifest, _ in scored) <= time.monotonic() - began


class _AllAtOnce(Engine):
    """An engine that takes every call before it makes the first, as Spark does."""

    block_memory = None

    def __init__(self) -> None:
        self.taken: list[int] = []

    def session(self, slots: int = 1) -> Any:
        return nullcontext(self)

    def describe(self) -> dict[str, Any]:
        return {}

    def run(self, function: Any, arguments: Any, *, remote: bool = False) -> Any:
        calls = list(arguments)
        self.taken.append(len(calls))
        return [function(*call) for call in reversed(calls)]


def test_blocks_of_all_partitions_of_a_pack_can_run_at_the_same_time(data: Small) -> None:
    for number in (2, 3):
        data.add(number, good_rows(20, 1000 * number))
    engine = _AllAtOnce()
    scored = data.score(2, 1, 3, engine=engine, block_rows=100)
    assert [manifest.key for manifest, _ in scored] == ["p=2", "p=1", "p=3"]
    assert engine.taken == [sum(len(manifest.blocks) for manifest, _ in scored)]
    for (manifest, _), number in zip(scored, (2, 1, 3), strict=True):
        pd.testing.assert_frame_equal(scores(manifest), data.plain(number))


def test_groups_of_several_partitions_are_sorted_at_once_and_then_scored(data: Small) -> None:
    data.add(2, good_rows(500, 5000))
    engine, job = _AllAtOnce(), FunctionJob(FunctionRef("engine_work:sums"), ("label",))
    scored = data.score(1, 2, engine=engine, scored_with=job, block_rows=100)
    assert len(engine.taken) == 2
    for (manifest, _), number in zip(scored, (1, 2), strict=True):
        rows = pd.read_csv(data.folder / f"part_{number}.csv")
        totals = {int(label): total for label, total in scores(manifest)[["label", "total"]].to_numpy()}
        assert totals == pytest.approx(dict(rows.groupby("label")["a"].sum()))


def test_progress_of_a_pack_counts_all_of_its_blocks(data: Small) -> None:
    for number in (2, 3):
        data.add(number, good_rows(500, 1000 * number))
    seen: list[Count] = []
    packed = [{"p": str(number)} for number in (1, 2, 3)]
    score_partitions(data.job(block_rows=100), packed, LocalDask(workers=2), tally=Told(3, seen.append))
    blocks = seen[-1].blocks_total
    assert [count.blocks for count in seen] == list(range(1, blocks + 1))
    assert all(count.blocks < count.blocks_total for count in seen[:-1])
    assert (seen[-1].blocks, seen[-1].account.rows_read) == (blocks, 1500)
