"""The Dask cluster of threads in the task's own process."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from typing import Any

import distributed
import psutil
import pytest
from commands import run_command

from airflow_batchscore import LocalDask
from airflow_batchscore.engine import in_process, thread_cluster

pytestmark = pytest.mark.unit


def _children_and_sockets() -> tuple[list[psutil.Process], set[Any]]:
    process = psutil.Process()
    return process.children(recursive=True), set(process.net_connections(kind="all"))


def test_it_starts_no_process_and_opens_no_socket() -> None:
    with LocalDask(workers=1, processes=False).session() as session:  # imports what may open something once
        list(session.run(abs, [(-1,)]))
    children, sockets = _children_and_sockets()

    def inside(_: int) -> tuple[str, bool]:
        now, open_now = _children_and_sockets()
        opened = {socket for socket in open_now - sockets if socket.status == "LISTEN" or socket.raddr}
        return distributed.get_worker().address, now == children and not opened

    with LocalDask(workers=2, processes=False).session() as session:
        ((address, nothing_new),) = session.run(inside, [(0,)])
    assert address.startswith("inproc://")
    assert nothing_new


def test_what_runs_in_it_can_use_its_client() -> None:
    def spread(number: int) -> int:
        with distributed.worker_client() as client:
            return sum(client.gather(client.map(abs, range(number))))

    with LocalDask(workers=2, processes=False).session() as session:
        assert list(session.run(spread, [(4,)])) == [6]


def test_errors_are_raised_as_they_were_with_their_cause_and_what_cannot_be_pickled() -> None:
    class RefusedError(Exception):
        def __init__(self, why: str, lock: Any) -> None:
            super().__init__(why)
            self.lock = lock

    def refuse(number: int) -> None:
        try:
            raise KeyError(number)
        except KeyError as error:
            raise RefusedError("bad", threading.Lock()) from error

    with LocalDask(workers=1, processes=False).session() as session, pytest.raises(RefusedError, match="bad") as raised:
        list(session.run(refuse, [(3,)]))
    assert repr(raised.value.__cause__) == "KeyError(3)"


def test_functions_and_arguments_are_those_of_the_task_themselves() -> None:
    lock, seen = threading.Lock(), []
    with LocalDask(workers=2, processes=False).session() as session:
        list(session.run(lambda given: seen.append(given is lock), [(lock,)] * 3))
    assert seen == [True] * 3


def test_no_argument_is_taken_after_an_error_and_none_is_kept() -> None:
    taken: list[int] = []

    def arguments() -> Any:
        for number in range(100):
            taken.append(number)
            yield (number,)

    def inverse(number: int) -> float:
        time.sleep(0.06)  # shorter calls share a dispatch
        return 1 / (number - 2)

    with LocalDask(workers=2, processes=False).session() as session, pytest.raises(ZeroDivisionError):
        list(session.run(inverse, arguments()))
    assert len(taken) < 30
    assert not in_process._waiting


def test_an_interrupt_in_a_block_reaches_the_task() -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with LocalDask(workers=1, processes=False).session() as session:
        with pytest.raises(KeyboardInterrupt):
            list(session.run(interrupt, [(0,)]))
        assert list(session.run(abs, [(-1,)])) == [1]


_TWO_SESSIONS = """
import contextlib, gc, logging, sys, threading, time
import distributed
from airflow_batchscore import LocalDask

logging.basicConfig(level=logging.WARNING)
path, before = list(sys.path), threading.active_count()
with LocalDask(workers=2, processes=False).session() as session:
    list(session.run(abs, [(-1,)] * 5))
with contextlib.suppress(ValueError), LocalDask(workers=2, processes=False).session() as session:
    list(session.run(int, [("x",)] * 20))
gc.collect()
end = time.monotonic() + 30
while threading.active_count() > before + 2 and time.monotonic() < end:  # Dask keeps two threads for later clusters
    time.sleep(0.05)
assert threading.active_count() <= before + 2, threading.enumerate()
assert sys.path == path
assert distributed.client._get_global_client() is None
"""


def test_nothing_of_it_is_left_when_the_session_ends_nor_anything_logged() -> None:
    # In a process of its own: another test's cluster may still log in this one.
    done = run_command([sys.executable, "-c", _TWO_SESSIONS], timeout=120, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_task_keeps_its_name_among_the_processes() -> None:
    def title(_: int) -> list[str]:
        return psutil.Process(os.getpid()).cmdline()

    before = title(0)
    with LocalDask(workers=1, processes=False).session() as session:
        assert list(session.run(title, [(0,)])) == [before]
    assert title(0) == before


_HANGS = """
import sys, time
from airflow_batchscore import LocalDask

def hang(item):
    time.sleep(600)

with LocalDask(workers=2, processes=False).session() as session:
    for _ in session.run(lambda item: hang(item) if item else None, [(0,), (1,), (1,)]):
        sys.exit(7)
"""


@pytest.mark.slow
def test_a_block_that_hangs_does_not_keep_the_task_alive() -> None:
    done = run_command([sys.executable, "-c", _HANGS], timeout=60)
    assert done.returncode == 7


def test_children_of_the_task_outlive_a_cluster_of_threads_that_does_not_close(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    close = thread_cluster.LocalCluster.close

    def late(self: Any, timeout: float | None = None) -> None:
        close(self, timeout)
        raise TimeoutError("not closed yet")

    monkeypatch.setattr(thread_cluster.LocalCluster, "close", late)
    try:
        with LocalDask(workers=1, processes=False).session() as session:
            assert list(session.run(abs, [(-1,)])) == [1]
        assert "did not close in 10 s (not closed yet)" in caplog.text
        child.join(0.2)  # SIGKILL takes a moment
        assert child.is_alive()
    finally:
        child.kill()
        child.join()
