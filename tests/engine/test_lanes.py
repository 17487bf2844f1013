"""One thread at a time for calls that are mostly Python, if a trial says that it is faster."""

from __future__ import annotations

import pytest

from airflow_batchscore.engine import lanes
from airflow_batchscore.engine.in_process import MOST_PER_BATCH
from airflow_batchscore.engine.lanes import Lanes
from airflow_batchscore.engine.probe import Timing

pytestmark = pytest.mark.unit

MOST, TRIAL = 8, lanes._CALLS
DRAIN = MOST * MOST_PER_BATCH


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock says."""
    now = [0.0]
    monkeypatch.setattr(lanes.time, "monotonic", lambda: now[0])
    return now


def _take(given: Lanes, clock: list[float], calls: int, seconds: float, busy: float = 0.002) -> int:
    """Results that arrive so many seconds apart; returns how many dispatches may be in flight then."""
    for _ in range(calls):
        clock[0] += seconds
        given.took(Timing(busy, seconds))
    return given.now()


@pytest.mark.parametrize(("alone", "most"), [(0.004, 1), (0.009, MOST)])
def test_short_calls_are_made_by_one_thread_if_that_is_faster(clock: list[float], alone: float, most: int) -> None:
    given = Lanes(MOST)
    assert _take(given, clock, TRIAL - 1, 0.008) == MOST
    assert _take(given, clock, 1, 0.008) == 1
    assert _take(given, clock, DRAIN, 1.0) == 1, "those that were dispatched with others do not count"
    assert _take(given, clock, TRIAL, alone) == most
    assert _take(given, clock, 10 * TRIAL, alone) == most


def test_a_trial_that_is_slower_ends_at_once(clock: list[float]) -> None:
    given = Lanes(MOST)
    _take(given, clock, TRIAL, 0.008)
    _take(given, clock, DRAIN, 0.008)
    assert _take(given, clock, 2, 0.3) == MOST


def test_long_calls_are_made_side_by_side_even_after_short_ones(clock: list[float]) -> None:
    given = Lanes(MOST)
    assert _take(given, clock, 10 * TRIAL, 0.1, busy=0.1) == MOST
    _take(given, clock, TRIAL + DRAIN, 0.008)
    assert _take(given, clock, 10 * TRIAL, 0.004) == 1
    assert _take(given, clock, 2, 1.0, busy=1.0) == MOST
