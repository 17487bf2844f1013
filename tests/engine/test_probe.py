"""When processes would be faster than threads."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import sys
import time
from typing import Any

import pytest
from commands import start_command

from airflow_batchscore import LocalDask
from airflow_batchscore.engine import probe as probing
from airflow_batchscore.engine.probe import Probe, Timing, queued

pytestmark = pytest.mark.unit


class Item:
    """An argument with a name, as blocks have."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"block {number}"


def python_only(item: Item) -> int:
    """Holds Python's lock for all of its 30 ms or so, and says where it ran."""
    end = time.thread_time() + 0.03
    while time.thread_time() < end:
        sum(range(100))
    return os.getpid()


def lets_go_of_the_lock(item: Item) -> int:
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", 60_000)
    return os.getpid()


def waits(item: Item) -> int:
    time.sleep(0.03)
    return os.getpid()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "processes", "items", "moves"),
    [
        (python_only, "auto", 80, True),
        (lets_go_of_the_lock, "auto", 40, False),
        (waits, "auto", 40, False),
        (python_only, False, 20, False),
    ],
)
def test_pure_python_is_moved_to_processes_unless_threads_were_asked_for(
    function: Any,
    processes: Any,
    items: int,
    moves: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("airflow_batchscore.engine.probe.CLUSTER_SECONDS", 0.0)  # else it takes minutes of work
    with caplog.at_level("INFO"), LocalDask(workers=2, processes=processes).session() as session:
        where = list(session.run(function, [(Item(n),) for n in range(items)]))
    assert len(where) == items
    assert (set(where) != {os.getpid()}) == moves
    assert os.getpid() in where
    assert ("moving from threads to worker processes: Python's lock was held" in caplog.text) == moves
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.parametrize("function", [lets_go_of_the_lock, waits])
def test_other_programs_on_the_machine_are_not_taken_for_pythons_lock(
    function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_batchscore.engine.probe.CLUSTER_SECONDS", 0.0)
    load = [start_command([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        with LocalDask(workers=2).session() as session:
            assert set(session.run(function, [(Item(n),) for n in range(30)])) == {os.getpid()}
    finally:
        for process in load:
            process.kill()
            process.wait()


def test_work_that_is_nearly_done_stays_in_threads() -> None:
    """Starting processes takes longer than the second that is left."""
    with LocalDask(workers=2).session() as session:
        assert set(session.run(python_only, [(Item(n),) for n in range(20)])) == {os.getpid()}


def _probe(late: int, glances: int, busy: float, workers: int = 2) -> Probe:
    """A probe that has seen two blocks a thread: each took a second, of which its thread was `busy`."""
    probe = Probe(1, workers)  # does not look itself
    probe._workers = workers
    for _ in range(2 * workers):
        probe.add(Timing(busy, 1))
        probe._late, probe._glances = late, glances
    return probe


def test_processes_are_advised_where_the_lock_is_held_and_the_time_saved_pays_for_their_start() -> None:
    reason = _probe(late=60, glances=100, busy=0.5).verdict(left=100)
    assert reason == (
        "Python's lock was held 60% of the time; the 100 blocks left would take about 50 s in threads, "
        "31 s in processes"
    )


@pytest.mark.parametrize(
    ("late", "glances", "busy", "left"),
    [
        (10, 100, 0.5, 100),  # the lock is mostly free
        (60, 100, 0.5, 10),  # 5 s in threads, 8.5 in processes
        (60, 100, 0.9, 100),  # all cores are in use
        (60, 100, 0.1, 1000),  # calls wait for something else than each other: the lock's holder was itself queued
        (10, 10, 0.5, 100),  # not looked often enough
    ],
)
def test_threads_are_kept_otherwise(late: int, glances: int, busy: float, left: int) -> None:
    assert _probe(late, glances, busy).verdict(left) is None


def test_one_worker_stays_in_threads_and_each_probe_decides_once() -> None:
    assert _probe(60, 100, 0.5, workers=1).verdict(100) is None
    probe = _probe(60, 100, 0.5)
    assert probe.verdict(100)
    assert probe.verdict(100) is None


def test_the_first_block_of_each_thread_which_loads_the_model_does_not_count() -> None:
    probe = Probe(1, 2)
    probe._workers = 2
    for took in (30.0, 30.0, 1.0, 1.0):
        probe.add(Timing(took / 2, took))
        probe._late, probe._glances = 60, 100
    assert "about 50 s in threads, 31 s in processes" in str(probe.verdict(100))


def test_time_in_the_queue_for_a_processor_is_told_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = queued()
    assert queued() >= before >= 0
    monkeypatch.setattr(probing, "open", lambda path: io.StringIO(""), raising=False)  # a kernel that does not count it
    assert queued() == 0.0
