"""What a tally says of partitions that are found, begun, scored and committed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.tally import Tally

pytestmark = pytest.mark.unit

ROWS = Account(10, 10)


def test_the_total_is_estimated_from_the_partitions_that_have_begun() -> None:
    tally = Tally(4)
    assert tally.count().blocks_total == 4
    tally.began(0, 6, 0, Account())
    tally.began(1, 2, 1, ROWS)
    count = tally.count()
    assert (count.blocks, count.blocks_total) == (1, 8 + 2 * 4)
    assert (count.account, count.rows_before) == (ROWS, 10)


def test_committed_partitions_are_given_as_ranges() -> None:
    tally = Tally(7)
    for position in (5, 0, 1, 3, 2):
        tally.began(position, 1, 0, Account())
    assert tally.count().current == [0, 1, 2, 3, 5]
    for position in (5, 0, 1, 3, 2):
        tally.committed(position)
    count = tally.count()
    assert (count.done, count.current) == ([[0, 3], [5, 5]], [])


def test_the_start_up_is_what_the_first_blocks_took_longer_than_the_others() -> None:
    count = replace(Tally(1).count(), own_blocks=12, seconds=6.0, first=4.0)
    assert count.start_up(workers=2) == pytest.approx(4.0 - 2 * 0.2)
    assert count.start_up(workers=0) == pytest.approx(4.0 - 2 / 11), "an engine that does not know its workers yet"
    assert replace(count, first=0.1).start_up(workers=2) == 0


def test_there_is_no_pace_before_each_worker_has_scored_more_than_its_first_block() -> None:
    count = replace(Tally(1).count(), own_blocks=2, seconds=6.0, first=4.0)
    assert count.start_up(workers=2) is None
    assert count.start_up(workers=1) is not None
    assert Tally(1).count().start_up(workers=1) is None
