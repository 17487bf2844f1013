"""The time that is left, against simulated runs of which it is known."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import pytest

from airflow_batchscore.publish.run_view_eta import Work, estimate

pytestmark = pytest.mark.unit

_BLOCKS = 20
_THREADS = 2
_WRITES_EVERY = 2.0


@dataclass(frozen=True)
class Done:
    """What became of a task: it started, began to work, worked, and ended."""

    size: float
    started: float
    began: float
    worked: float

    @property
    def ended(self) -> float:
        return self.began + self.worked

    def seen(self, now: float) -> Work:
        """As its progress says, which is written every two seconds."""
        if now >= self.ended:
            return Work(self.size, 1.0, 1.0, self.started, self.ended, self.began, self.worked)
        if now < self.started:
            return Work(self.size)
        written = max((now - self.began) // _WRITES_EVERY * _WRITES_EVERY, 0.0)
        blocks = int(written / self.worked * _BLOCKS)
        share = (blocks + min(_THREADS, _BLOCKS - blocks) / 2) / _BLOCKS if blocks else 0.0
        return Work(self.size, share, share, self.started, None, self.began if now > self.began else None, written)


def _simulated(
    tasks: int, lanes: int, sizes: Callable[[np.random.Generator], float], startup: float, pause: float, spread: float
) -> list[Done]:
    """A run whose tasks score a megabyte per second, more or less."""
    chance, free, run = np.random.default_rng(1), [0.0] * lanes, []
    for _ in range(tasks):
        size = sizes(chance)
        started = heapq.heappop(free) + chance.uniform(0.5, 1.5) * pause
        began = started + chance.uniform(0.7, 1.3) * startup
        run.append(Done(size, started, began, size * 1e-6 * float(chance.lognormal(0, spread))))
        heapq.heappush(free, run[-1].ended)
    return run


def _even(chance: np.random.Generator) -> float:
    return 3e7


def _uneven(chance: np.random.Generator) -> float:
    return chance.uniform(1e7, 2e8)


_RUNS = [
    _simulated(tasks, lanes, sizes, startup, pause, spread)
    for tasks, lanes in ((1, 1), (4, 4), (8, 2), (17, 2), (17, 4), (100, 8), (1000, 32))
    for sizes in (_even, _uneven)
    for startup, pause in ((1.0, 0.5), (3.0, 2.0))
    for spread in (0.05, 0.15)
]


def _errors(runs: Sequence[Sequence[Done]], share: float) -> list[float]:
    """Of the estimate when a share of each run's time is over, relative to what was left."""
    errors = []
    for run in runs:
        end = max(done.ended for done in run)
        eta = estimate([done.seen(share * end) for done in run], share * end)
        assert eta is not None
        errors.append(abs(eta.seconds / ((1 - share) * end) - 1))
    return errors


def test_at_half_time_the_estimate_is_off_by_less_than_a_quarter() -> None:
    errors = _errors(_RUNS, 0.5)
    assert (median(errors) < 0.06, max(errors) < 0.25) == (True, True), errors


def test_the_range_holds_what_was_left_in_nine_runs_of_ten() -> None:
    held = []
    for run in _RUNS:
        end = max(done.ended for done in run)
        eta = estimate([done.seen(end / 2) for done in run], end / 2)
        held.append(eta is not None and eta.low <= end / 2 <= eta.high)
    assert sum(held) >= 0.9 * len(held)


def test_a_tail_of_few_tasks_is_not_spread_over_all_lanes() -> None:
    done = [Work(100, 1, 1, 0, 100, 0, 100) for _ in range(8)]
    (last,) = [Work(100, 0.5, 0.5, 100, None, 100, 50)]
    eta = estimate([*done, last], 150)
    assert eta is not None
    assert eta.seconds == pytest.approx(50, rel=0.05)


def test_nothing_is_said_before_there_is_something_to_go_by() -> None:
    assert estimate([], 0) is None
    assert estimate([Work(100), Work(100)], 10) is None
    assert estimate([Work(100, started=0), Work(100)], 10) is None


def test_reused_partitions_say_nothing_of_the_pace() -> None:
    reused = [Work(100, 1, 0, 0, 1, 0, 0.5) for _ in range(50)]
    assert estimate([*reused, Work(100)], 60) is None
    eta = estimate([*reused, Work(100, 1, 1, 0, 50, 0, 50), Work(100, started=50)], 60)
    assert eta is not None
    assert eta.seconds == pytest.approx(40, rel=0.1)


def test_nothing_is_left_of_a_run_whose_tasks_have_ended() -> None:
    assert estimate([Work(100, 1, 1, 0, 50, 0, 50), Work(100, 0.2, 0.2, 0, 50, 0, 40)], 60) is None


def test_one_task_alone_gives_a_wide_range() -> None:
    eta = estimate([Work(100, 0.25, 0.25, 0, None, 0, 25), Work(100)], 25)
    assert eta is not None
    assert eta.to_dict() == {"seconds": 175.0, "low": pytest.approx(116.7), "high": pytest.approx(262.5)}
