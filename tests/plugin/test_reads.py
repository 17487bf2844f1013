"""Reads for pages are remembered, shared, and not waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from airflow_batchscore.plugin.reads import Reads

pytestmark = pytest.mark.unit


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Storage that does not answer until this is set."""
    event = threading.Event()
    yield event
    event.set()


def test_a_value_is_read_once() -> None:
    calls: list[int] = []
    reads: Reads[int] = Reads(most=10)
    for _ in range(3):
        values, errors = reads.get_all({"a": lambda: calls.append(1) or 7}, 5)
        assert (values, errors) == ({"a": 7}, {})
    assert calls == [1]


def test_what_takes_too_long_is_there_later_and_nobody_waits_twice(gate: threading.Event) -> None:
    reads: Reads[int] = Reads(most=10)

    def slow() -> int:
        gate.wait()
        return 7

    for _ in range(2):
        values, errors = reads.get_all({"a": slow, "b": lambda: 1}, 0.05)
        assert values == {"b": 1}
        assert isinstance(errors["a"], TimeoutError)
    gate.set()
    assert reads.get_all({"a": slow}, 5)[0] in ({"a": 7}, {})


def test_a_failure_is_told_and_remembered_for_a_while() -> None:
    calls: list[int] = []
    reads: Reads[int] = Reads(most=10)

    def fail() -> int:
        calls.append(1)
        raise OSError("the storage is down")

    for _ in range(2):
        values, errors = reads.get_all({"a": fail}, 5)
        assert (values, str(errors["a"])) == ({}, "the storage is down")
    assert calls == [1]


def test_what_may_change_is_read_again() -> None:
    calls: list[int] = []
    reads: Reads[int] = Reads(most=10, fresh=-1.0)
    for _ in range(2):
        reads.get_all({"a": lambda: calls.append(1) or 7}, 5)
    assert calls == [1, 1]


def test_the_least_recently_used_goes_first() -> None:
    calls: list[str] = []
    reads: Reads[str] = Reads(most=2)
    for name in "abacab":
        reads.get_all({name: lambda name=name: calls.append(name) or name}, 5)
    assert calls == ["a", "b", "c", "b"]
