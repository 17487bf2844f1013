"""What a tally says of partitions that are found, begun, scored and committed."""

from __future__ import annotations

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
