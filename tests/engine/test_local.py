from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from commands import start_command
from processes import alive
from support import ROOT, wait_for

from airflow_batchscore import LocalDask
from airflow_batchscore.engine.base import WorkerLostError
from airflow_batchscore.engine.single_thread import hold_to_one_thread
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


class Item:
    """An argument with a name, as blocks have."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"block {number}"


def square(item: Item) -> int:
    return item.number**2


def fail_on_three(item: Item) -> int:
    if item.number == 3:
        raise InputError("three is bad")
    return item.number


def environment(item: Item) -> tuple[int, int]:
    import numpy  # noqa: F401 - brings a BLAS
    import threadpoolctl

    hold_to_one_thread()
    pools = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
    return os.getpid(), max(pools, default=1)


@pytest.mark.parametrize("processes", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_runs_every_item_once_and_leaves_no_process(processes: bool) -> None:
    with LocalDask(workers=2, processes=processes).session() as session:
        assert sorted(session.run(square, [(Item(n),) for n in range(20)])) == [n**2 for n in range(20)]
        results = set(session.run(environment, [(Item(n),) for n in range(10)]))
        assert {pid != os.getpid() for pid, _ in results} == {processes}
        assert {threads for _, threads in results} == {1}
    assert multiprocessing.active_children() == []


def test_the_first_error_is_raised_as_it_was() -> None:
    with LocalDask(workers=2).session() as session, pytest.raises(InputError, match="three is bad"):
        list(session.run(fail_on_three, [(Item(n),) for n in range(50)]))


_started: list[int] = []


def track(item: Item) -> int:
    _started.append(item.number)
    time.sleep(0.06)  # shorter ones share a dispatch
    return item.number


def test_only_a_few_items_are_in_flight() -> None:
    _started.clear()
    most_ahead = 0
    with LocalDask(workers=2).session() as session:
        for finished, _ in enumerate(session.run(track, [(Item(n),) for n in range(24)]), start=1):
            most_ahead = max(most_ahead, len(_started) - finished)
    assert sorted(_started) == list(range(24))
    assert most_ahead <= 8


def on_thread(item: Item, seconds: float) -> tuple[float, int]:
    time.sleep(seconds)
    return seconds, threading.get_ident()


def test_long_calls_that_follow_short_ones_are_spread_over_all_threads() -> None:
    """The dispatch that they share was meant for short ones."""
    calls = [(Item(n), 0.0 if n < 20 else 0.2) for n in range(28)]
    with LocalDask(workers=2, processes=False).session() as session:
        results = list(session.run(on_thread, calls))
    assert len(results) == 28
    assert len({thread for seconds, thread in results if seconds}) == 2


def eat_once(item: Item, folder: str) -> int:
    """Takes more memory than its worker may have, the first time."""
    mark = Path(folder) / str(item.number)
    if item.number == 1 and not mark.exists():
        mark.touch()
        hoard = []
        while True:
            hoard.append(bytearray(os.urandom(1 << 20)) * 32)
            time.sleep(0.02)
    return item.number


def eat_always(folder: str, item: Item) -> int:
    (Path(folder) / str(item.number)).unlink(missing_ok=True)
    return eat_once(item, folder)


@pytest.mark.slow
def test_a_worker_over_its_memory_is_replaced_and_its_item_run_again(tmp_path: Path) -> None:
    with LocalDask(workers=1, processes=True, memory_limit="700MiB").session() as session:
        assert sorted(session.run(eat_once, [(Item(n), str(tmp_path)) for n in range(3)])) == [0, 1, 2]


@pytest.mark.slow
def test_an_item_that_always_takes_too_much_memory_is_named(tmp_path: Path) -> None:
    with (
        LocalDask(workers=1, processes=True, memory_limit="700MiB").session() as session,
        pytest.raises(WorkerLostError, match="block 1: the worker died 3 times.*lack of memory"),
    ):
        list(session.run(eat_always, [(str(tmp_path), Item(1))]))


def test_takes_its_share_of_the_machine(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    with caplog.at_level("INFO"), LocalDask().session(slots=3) as session:
        list(session.run(square, [(Item(1),)]))
    assert "Dask LocalCluster: 1 thread (task slots on this machine: 3)" in caplog.text


def test_memory_is_shared_by_the_slots_and_the_workers() -> None:
    with LocalDask(workers=2, processes=False, memory_limit="4GiB").session() as session:
        assert session.block_memory == ((4 << 30) - (400 << 20)) // 2
    with LocalDask(workers=2, processes=True, memory_limit=4 << 30).session() as session:
        assert session.block_memory == ((4 << 30) - 2 * (400 << 20)) // 2
    with LocalDask(workers=1, processes=False, memory_limit="256MiB").session() as session:
        assert session.block_memory == 64 << 20
    with LocalDask(workers=1).session() as whole, LocalDask(workers=1).session(slots=4) as quarter:
        assert quarter.block_memory < whole.block_memory / 3


@pytest.mark.parametrize("workers", [0, -1, "many", 1.5, True])
def test_sizes_that_make_no_sense_are_refused(workers: Any) -> None:
    with pytest.raises(InputError, match="give a number from 1, or 'auto'"):
        LocalDask(workers=workers)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="give True, False or 'auto'"):
        LocalDask(processes="threads")  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", ["lots", "", None, True, 2.5e9, "-5", "1ZB", "nan"])
def test_memory_that_is_no_size_is_refused(limit: Any) -> None:
    with pytest.raises(InputError, match=r"LocalDask\(memory_limit=.*give bytes, a text such as '2GiB', or 'auto'"):
        LocalDask(memory_limit=limit)


@pytest.mark.parametrize("limit", [-5, 0, "1KB", "0.1 GiB", (128 << 20) - 1])
def test_memory_in_which_no_python_runs_is_refused(limit: Any) -> None:
    with pytest.raises(InputError, match=r"LocalDask\(memory_limit=.*give at least 128 MiB, or 'auto'"):
        LocalDask(memory_limit=limit)


@pytest.mark.parametrize("limit", ["2GiB", "2 GB", "512MiB", "0.5gb", ".5 G", "134217728", " 200000 KiB", "1TiB"])
def test_sizes_mean_what_they_mean_to_dask(limit: str) -> None:
    from dask.utils import parse_bytes

    with LocalDask(workers=1, processes=False, memory_limit=limit).session() as session:
        memory = parse_bytes(limit)
        assert session.block_memory == max(memory - (400 << 20), memory // 4)


def test_remote_work_has_more_of_it_waiting_at_once() -> None:
    waiting = threading.Barrier(6)  # breaks, and raises, unless six wait side by side

    def wait_for_the_others(item: Item) -> int:
        return waiting.wait(30)

    with LocalDask(workers=2, processes=False).session() as session:
        assert len(list(session.run(wait_for_the_others, [(Item(n),) for n in range(6)], remote=True))) == 6


_TASK = """
import sys
sys.path.insert(0, {tests!r})
from engine_work import pid_and_sleep
from airflow_batchscore import LocalDask
if __name__ == "__main__":
    with LocalDask(workers=2, processes=True).session() as session:
        list(session.run(pid_and_sleep, [({folder!r},)] * 4))
"""


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_task_leaves_no_worker_process(tmp_path: Path, sent: signal.Signals) -> None:
    script = _TASK.format(tests=str(ROOT / "tests"), folder=str(tmp_path))
    task = start_command([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2, 60)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    task.send_signal(sent)
    task.wait(60)
    wait_for(lambda: not any(alive(pid) for pid in workers), 60)


@pytest.mark.parametrize(
    ("engine", "slots", "text", "memory"),
    [
        (LocalDask(workers=1), 1, "LocalDask, 1 thread", None),
        (LocalDask(workers=2, processes=True, memory_limit="1GiB"), 2, "LocalDask, 2 processes", 1 << 30),
    ],
)
def test_it_says_what_it_scores_with(engine: LocalDask, slots: int, text: str, memory: int | None) -> None:
    capacity = engine.capacity(slots)
    assert (capacity.text, capacity.workers) == (text, engine.workers)
    assert capacity.memory == (memory or capacity.memory)
    assert capacity.memory
