"""What is published is read ahead, in order, and only so much of it at once."""

from __future__ import annotations

import threading

import pytest

from airflow_batchscore.publish import ahead
from airflow_batchscore.publish.ahead import in_order

pytestmark = pytest.mark.unit


class Work:
    """Calls that wait until a test lets them go on."""

    def __init__(self) -> None:
        self.began: list[int] = []
        self._open: dict[int, threading.Event] = {}
        self._changed = threading.Condition()

    def __call__(self, item: int) -> int:
        gate = self._gate(item)
        with self._changed:
            self.began.append(item)
            self._changed.notify_all()
        assert gate.wait(30)
        return item * 10

    def _gate(self, item: int) -> threading.Event:
        with self._changed:
            return self._open.setdefault(item, threading.Event())

    def finish(self, *items: int) -> None:
        for item in items:
            self._gate(item).set()

    def wait_until_began(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.began) >= count, 30)


def _small(_: int) -> int:
    return 1


def test_results_come_in_order_whatever_finishes_first() -> None:
    work = Work()
    results = in_order(work, range(4), _small)
    work.finish(3, 2, 1)
    threading.Timer(0.05, work.finish, [0]).start()
    assert list(results) == [0, 10, 20, 30]


def test_the_next_calls_begin_while_a_result_is_used_and_no_more_of_them() -> None:
    work = Work()
    results = in_order(work, range(20), _small)
    work.finish(0)
    assert next(results) == 0
    work.wait_until_began(4)
    assert sorted(work.began) == [0, 1, 2, 3]
    work.finish(1)
    assert next(results) == 10
    work.wait_until_began(5)
    assert sorted(work.began) == [0, 1, 2, 3, 4]
    work.finish(*range(20))
    assert list(results) == [number * 10 for number in range(2, 20)]


def test_of_large_items_one_is_used_and_the_next_is_in_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_MOST_BYTES", 100)
    work = Work()
    results = in_order(work, range(4), lambda item: 60 if item else 500)
    for number in range(3):
        work.finish(number)
        assert next(results) == number * 10
        work.wait_until_began(number + 2)
        assert sorted(work.began) == list(range(number + 2))
    work.finish(3)
    assert list(results) == [30]


def test_items_are_held_together_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_MOST_BYTES", 100)
    work = Work()
    results = in_order(work, range(9), lambda _: 30)
    work.finish(0)
    assert next(results) == 0
    work.wait_until_began(3)
    assert sorted(work.began) == [0, 1, 2]
    work.finish(*range(9))
    assert len(list(results)) == 8


def test_the_first_error_is_raised_in_its_place() -> None:
    def fail(item: int) -> int:
        if item in (2, 3):
            raise ValueError(f"item {item}")
        return item

    results = in_order(fail, range(9), _small)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="item 2"):
        next(results)


def test_nothing_is_called_after_it_is_closed() -> None:
    work = Work()
    results = in_order(work, range(50), _small)
    work.finish(*range(50))
    assert next(results) == 0
    results.close()
    assert len(work.began) <= 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batchscore-publish")]


def test_nothing_begins_before_the_first_result_is_asked_for() -> None:
    work = Work()
    in_order(work, range(3), _small).close()
    assert work.began == []
