from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, wait_for

from airflow_batchscore import LocalDask
from airflow_batchscore.engine.base import WorkerLostError
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


def die_once(item: Item, folder: str) -> int:
    """Kills its worker process the first time."""
    mark = Path(folder) / str(item.number)
    if item.number == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item.number


def always_die(folder: str, item: Item) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def environment(item: Item) -> tuple[int, int]:
    import threadpoolctl

    pools = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
    return os.getpid(), max(pools, default=1)


@pytest.mark.parametrize("processes", [False, True])
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
    return item.number


def test_only_a_few_items_are_in_flight() -> None:
    _started.clear()
    most_ahead = 0
    with LocalDask(workers=2).session() as session:
        for finished, _ in enumerate(session.run(track, [(Item(n),) for n in range(60)]), start=1):
            time.sleep(0.01)
            most_ahead = max(most_ahead, len(_started) - finished)
    assert sorted(_started) == list(range(60))
    assert most_ahead <= 4


def test_a_worker_that_dies_is_replaced_and_its_item_run_again(tmp_path: Path) -> None:
    with LocalDask(workers=1, processes=True).session() as session:
        assert sorted(session.run(die_once, [(Item(n), str(tmp_path)) for n in range(4)])) == [0, 1, 2, 3]


def test_an_item_that_always_kills_its_worker_is_named(tmp_path: Path) -> None:
    with (
        LocalDask(workers=1, processes=True).session() as session,
        pytest.raises(WorkerLostError, match="block 7: the worker died 3 times.*block_rows"),
    ):
        list(session.run(always_die, [(str(tmp_path), Item(7))]))


def test_takes_its_share_of_the_machine(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("dask.system.cpu_count", lambda: 8)
    with caplog.at_level("INFO"), LocalDask().session(slots=3) as session:
        list(session.run(square, [(Item(1),)]))
    assert "2 threads (task slots on this machine: 3)" in caplog.text


@pytest.mark.parametrize("workers", [0, -1, "many", 1.5])
def test_sizes_that_make_no_sense_are_refused(workers: Any) -> None:
    with pytest.raises(InputError, match="give a number from 1, or 'auto'"):
        LocalDask(workers=workers)


_TASK = """
import sys
sys.path.insert(0, {tests!r})
from engine_work import pid_and_sleep
from airflow_batchscore import LocalDask
if __name__ == "__main__":
    with LocalDask(workers=2, processes=True).session() as session:
        list(session.run(pid_and_sleep, [({folder!r},)] * 4))
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_task_leaves_no_worker_process(tmp_path: Path, sent: signal.Signals) -> None:
    script = _TASK.format(tests=str(ROOT / "tests"), folder=str(tmp_path))
    task = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2, 60)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    task.send_signal(sent)
    task.wait(20)
    wait_for(lambda: not any(_alive(pid) for pid in workers), 15)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
