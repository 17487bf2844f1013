"""What a run will take, from paces: the arithmetic, the limits, and the words."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from airflow_batchscore.errors import GateError, InputError
from airflow_batchscore.plan.estimate import Estimate, Pace, Room, Sampled, predict

pytestmark = pytest.mark.unit

#: 2 s to start, 1 s a partition, blocks of 10 bytes that take a worker 10 s, 3 rows a byte.
PACE = Pace(start_up=2.0, partition=1.0, byte=1.0, block=10.0, rows=3.0, memory=1000, spread=0.1)


def told(*tasks: list[int], pace: Pace = PACE, price: float | None = None, **room: Any) -> Estimate:
    made = [[(size, pace) for size in task] for task in tasks]
    return predict(made, Room(**{"most": 100, **room}), Sampled(30, 0.5), price_per_core_hour=price)


def test_a_task_takes_its_start_its_partitions_and_its_blocks() -> None:
    found = told([100, 50], price=0.36)
    assert found.seconds == 2 + 2 * 1 + 150
    assert (found.core_seconds, found.cost) == (154, 0.0154)
    assert (found.rows, found.bytes, found.partitions, found.tasks) == (450, 150, 2, 1)
    assert (found.low, found.high) == (round(154 / 1.2, 3), round(154 * 1.2, 3))
    assert found.sample_share == 0.5 / 154


@pytest.mark.parametrize(
    ("size", "workers", "seconds"),
    [(40, 2, 20), (50, 2, 30), (10, 2, 10), (3, 2, 3), (10, 8, 10), (80, 8, 10)],
)
def test_the_last_blocks_leave_workers_without_any(size: int, workers: int, seconds: float) -> None:
    assert told([size], workers=workers).seconds == pytest.approx(3 + seconds)


def test_what_cannot_be_cut_keeps_one_worker_busy() -> None:
    whole = replace(PACE, block=math.inf)
    assert told([100], pace=whole, workers=4).seconds == 103
    assert told([100, 100, 100, 100], pace=whole, workers=4).seconds == 2 + 4 + 100


def test_tasks_run_side_by_side_in_the_order_of_the_plan() -> None:
    lanes = told([10], [30], [10], [10], tasks=2)  # 13, 33; 13 and 13 after the first
    assert lanes.seconds == 39
    assert told([10], [30], [10], [10], tasks=1).seconds == 13 + 33 + 13 + 13
    assert told([10], [30], tasks=9).parallel_tasks == 2


def test_a_task_without_anything_to_score_only_starts() -> None:
    assert told([], [], task_seconds=0.5).seconds == 1.0
    found = predict([], Room(), Sampled(), reused=7, price_per_core_hour=1)
    assert (found.seconds, found.cost, found.reused, found.peak_memory, found.sample_share) == (0, 0, 7, None, 0)


def test_tasks_cannot_use_more_cores_than_there_are() -> None:
    assert told(*[[10]] * 8, tasks=8, most=8).seconds == 13
    assert told(*[[10]] * 8, tasks=8, most=2).seconds == 8 * 13 / 2


def test_a_limit_says_what_was_predicted_and_what_to_do() -> None:
    found = told([100, 50], price=36.0)
    found.require_within()
    found.require_within(max_seconds=154, max_cost=1.54)
    with pytest.raises(GateError, match=r"take about 2 min 34 s, more than max_seconds=100; nothing was") as slow:
        found.require_within(max_seconds=100, max_cost=2)
    assert "450 rows in 2 partitions" in str(slow.value)
    assert str(slow.value).endswith("Plan fewer partitions, give it more workers or parallel tasks, or raise the limit")
    with pytest.raises(GateError, match=r"would cost about 1\.54, more than max_cost=1; nothing") as dear:
        found.require_within(max_cost=1)
    assert "workers or parallel" not in str(dear.value)  # more of them cost the same
    with pytest.raises(GateError, match=r"take about .* max_seconds=1, and cost about 1\.54, more than max_cost=0;"):
        found.require_within(max_seconds=1, max_cost=0)


def test_a_limit_that_nothing_can_be_compared_with_is_refused() -> None:
    with pytest.raises(InputError, match=r"max_cost=1 needs a price: estimate with price_per_core_hour="):
        told([100]).require_within(max_cost=1)
    for limit in (-1, math.nan, math.inf):
        with pytest.raises(InputError, match="max_seconds=.*: give a number from 0"):
            told([100]).require_within(max_seconds=limit)


@pytest.mark.parametrize("price", [-0.01, math.nan, math.inf])
def test_a_price_is_a_number_from_zero(price: float) -> None:
    with pytest.raises(InputError, match="give a price from 0"):
        told([1], price=price)


def test_workers_that_nobody_counted_have_no_price() -> None:
    found = told([100, 50], workers=0)
    assert (found.seconds, found.core_seconds, found.cost) == (154, None, None)
    with pytest.raises(InputError, match="does not say how many workers it has"):
        told([100], workers=0, price=1.0)


def test_it_survives_json_and_another_versions_is_refused() -> None:
    found = told([100], price=1.0)
    stored = json.loads(json.dumps(found.to_dict()))
    assert Estimate.from_dict(stored) == found
    with pytest.raises(InputError, match="the estimate was made"):
        Estimate.from_dict({**stored, "schema": 99})
    with pytest.raises(InputError, match="lacks 'cost'"):
        Estimate.from_dict({name: value for name, value in stored.items() if name != "cost"})


def test_two_sentences_for_the_log() -> None:
    will, how = replace(told([100, 50], price=36.0), reused=3).sentences()
    assert will == (
        "The run will take about 2 min 34 s (2 min 8 s to 3 min 5 s), 1 kB of memory a task, and cost 1.54: about 450 "
        "rows in 2 partitions (3 more are committed already, and cost nothing), 1 task with 1 worker."
    )
    assert how == "This is what 30 rows took that were scored and thrown away, in 0.5 s (0.3% of the run)."
