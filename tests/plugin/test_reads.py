"""Reads for pages are remembered, shared, and not waited for."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from airflow_batchscore.data.storage import Location
from airflow_batchscore.plugin import reads as module
from airflow_batchscore.plugin.reads import At, LateError, Reads, pool

pytestmark = pytest.mark.unit

LONG = 600.0


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Storage that does not answer until this is set."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def waited_for(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of reads that each call waited for."""
    numbers: list[int] = []

    def wait(futures: Collection[Future[Any]], seconds: float) -> Any:
        numbers.append(sum(not future.done() for future in futures))
        return before(futures, seconds)

    before = module.wait
    monkeypatch.setattr(module, "wait", wait)
    return numbers


def test_a_value_is_read_once() -> None:
    calls: list[int] = []
    reads: Reads[int] = Reads(most=10)
    for _ in range(3):
        values, errors = reads.get_all({"a": lambda: calls.append(1) or 7}, LONG)
        assert (values, errors) == ({"a": 7}, {})
    assert calls == [1]


def test_what_takes_too_long_is_there_later_and_nobody_waits_twice(
    gate: threading.Event, waited_for: list[int]
) -> None:
    reads: Reads[int] = Reads(most=10)
    is_over = threading.Event()

    def slow() -> int:
        gate.wait()
        return 7

    for _ in range(2):
        values, errors = reads.get_all({"a": slow}, 0.01)
        assert values == {}
        assert isinstance(errors["a"], LateError)
    assert waited_for == [1, 0]
    reads._kept["a"].future.add_done_callback(lambda _: is_over.set())
    gate.set()
    assert is_over.wait(LONG)
    assert reads.get_all({"a": slow}, 0.01) == ({"a": 7}, {})


def test_a_storage_that_hangs_holds_up_no_other(gate: threading.Event) -> None:
    threads = pool("test")
    dead: Reads[bool] = Reads(most=100, threads=threads)
    dead.get_all({number: At(Location(f"s3://dead/{number}"), gate.wait) for number in range(50)}, 0.01)
    alive: Reads[int] = Reads(most=100, threads=threads)
    places = Location("s3://alive/x"), Location("s3://dead/x", "another_server"), Location("/dead/x")
    wanted = {place: At(place, lambda: 7) for place in places}
    assert alive.get_all(wanted, LONG) == (dict.fromkeys(places, 7), {})


def test_a_read_that_hangs_is_tried_again(gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: Reads[int] = Reads(most=10, threads=pool("test"))
    assert "a" in reads.get_all({"a": lambda: int(gate.wait())}, 0.01)[1]
    assert "a" in reads.get_all({"a": lambda: 7}, 0.01)[1], "not yet"
    monkeypatch.setattr(module, "_PENDING_SECONDS", -1.0)
    assert reads.get_all({"a": lambda: 7}, LONG) == ({"a": 7}, {})


def test_a_failure_is_told_and_remembered_for_a_while() -> None:
    calls: list[int] = []
    reads: Reads[int] = Reads(most=10)

    def fail() -> int:
        calls.append(1)
        raise OSError("the storage is down")

    for _ in range(2):
        values, errors = reads.get_all({"a": fail}, LONG)
        assert (values, str(errors["a"])) == ({}, "the storage is down")
    assert calls == [1]


def test_what_may_change_is_read_again() -> None:
    calls: list[int] = []
    reads: Reads[int] = Reads(most=10, fresh=-1.0)
    for _ in range(2):
        reads.get_all({"a": lambda: calls.append(1) or 7}, LONG)
    assert calls == [1, 1]


def test_a_value_is_fresh_from_when_it_was_read(gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    reads: Reads[int] = Reads(most=10, fresh=10.0)
    reads.get_all({"a": lambda: int(gate.wait())}, 0.01)
    future = reads._kept["a"].future
    clock[0] = 30.0
    gate.set()
    assert future.result(LONG) == 1
    assert reads.get_all({"a": lambda: 2}, LONG) == ({"a": 1}, {})


def test_what_is_forgotten_is_read_again() -> None:
    reads: Reads[int] = Reads(most=10)
    reads.get_all({"a": lambda: 1}, LONG)
    reads.forget("a")
    reads.forget("never read")
    assert reads.get_all({"a": lambda: 2}, LONG) == ({"a": 2}, {})


def test_the_least_recently_used_goes_first() -> None:
    calls: list[str] = []
    reads: Reads[str] = Reads(most=2)
    for name in "abacab":
        reads.get_all({name: lambda name=name: calls.append(name) or name}, LONG)
    assert calls == ["a", "b", "c", "b"]
