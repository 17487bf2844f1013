"""Calls that stay in the process while Dask carries their numbers."""

from __future__ import annotations

import time

import pytest

from airflow_batchscore.engine import in_process
from airflow_batchscore.engine.in_process import Batch, Calls, run_here
from airflow_batchscore.engine.probe import Timing

pytestmark = pytest.mark.unit


def _numbers(calls: Calls[int]) -> list[list[int]]:
    return [numbers for (numbers,) in calls]  # type: ignore[misc]


def test_calls_are_made_in_their_order_and_once() -> None:
    calls = Calls(abs, iter([(-1,), (-2,), (-3,)]))
    batches = _numbers(calls)
    assert [[done.get() for done in run_here(batch).finished] for batch in batches] == [[1], [2], [3]]
    assert run_here(batches[0]) == Batch([], [])


def test_short_calls_share_a_batch_and_long_ones_do_not() -> None:
    calls = Calls(abs, iter([(-number,) for number in range(1000)]))
    batches = iter(calls)
    for seconds, size in ((0.0, 16), (0.01, 5), (1.0, 1)):
        calls.took(Timing(0, seconds))
        ((batch,),) = [next(batches)]
        assert len(batch) == size  # type: ignore[arg-type]
    calls.close()


def test_a_batch_ends_with_the_first_error_which_is_raised_after_the_results_before_it() -> None:
    calls = Calls(lambda number: 1 / number, iter([(1,), (0,), (2,)]))
    calls.took(Timing(0, 0))
    (batch,) = _numbers(calls)
    first, second = run_here(batch).finished
    assert first.get() == 1
    with pytest.raises(ZeroDivisionError):
        second.get()
    calls.close()
    assert not in_process._waiting


def test_nothing_is_handed_out_after_a_stop_and_what_is_left_can_go_elsewhere() -> None:
    left = iter([(number,) for number in range(5)])
    calls = Calls(abs, left)
    batches = iter(calls)
    ((first,),) = [next(batches)]
    calls.stop()
    assert list(batches) == []
    assert [done.get() for done in run_here(first).finished] == [0]  # type: ignore[arg-type]
    assert list(left) == [(1,), (2,), (3,), (4,)]


def test_calls_that_did_not_begin_are_forgotten() -> None:
    calls = Calls(abs, iter([(-1,), (-2,)]))
    batches = _numbers(calls)
    calls.close()
    assert [run_here(batch).finished for batch in batches] == [[], []]


def test_long_calls_that_share_a_batch_with_short_ones_are_handed_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "_BATCH_SECONDS", 0.05)
    calls = Calls(time.sleep, iter([(seconds,) for seconds in (0.0, 0.1, 0.1, 0.1)]))
    calls.took(Timing(0, 0))
    ((numbers,),) = list(calls)
    batch = run_here(numbers)  # type: ignore[arg-type]
    assert (len(batch.finished), len(batch.left)) == (2, 2)
    calls.put_back(batch.left)
    assert calls.were_put_back
    again = list(calls)
    assert again == [([number],) for number in batch.left]
    assert not calls.were_put_back
    assert [run_here([number]).finished[0].get() for number in batch.left] == [None, None]
