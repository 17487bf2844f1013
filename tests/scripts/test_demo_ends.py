"""`scripts/demo.py` with a real Airflow, ended in the middle: nothing is left, and its home is free."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from commands import run_command, start_command
from processes import descendants
from support import ROOT, wait_for

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]

#: Scheduler, DAG processor, triggerer, API server, and who starts them; the demo and its keeper.
PROCESSES = 7


def _demo(home: Path) -> list[str | Path]:
    return [sys.executable, ROOT / "scripts" / "demo.py", "--dag", "normalise_words", "--home", home]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = _demo(tmp_path)
    process = start_command(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with process:
        yield process
        process.terminate()


def _of(home: Path) -> list[int]:
    """The processes that were told of this home."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(home).encode() in (path / "environ").read_bytes() + (path / "cmdline").read_bytes():
                found.append(int(path.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_process_is_left_whichever_signal_ends_the_demo(
    demo: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    wait_for(lambda: len(_of(tmp_path)) >= PROCESSES, 600)
    demo.send_signal(number)
    output, _ = demo.communicate()
    assert demo.returncode == (-number if number == signal.SIGKILL else 128 + number), output
    if number == signal.SIGKILL:
        wait_for(lambda: not _of(tmp_path), 120)
    assert not _of(tmp_path)


def test_no_process_is_left_when_the_keeper_is_killed(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    wait_for(lambda: len(_of(tmp_path)) >= PROCESSES, 600)
    _kill_keeper(demo)
    output, _ = demo.communicate()
    assert demo.returncode == 1, output
    assert "Airflow ended with status -9" in output
    assert not _of(tmp_path)


def test_what_outlives_the_demo_and_its_keeper_keeps_the_home(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    wait_for(lambda: len(_of(tmp_path)) >= PROCESSES, 600)
    demo.send_signal(signal.SIGSTOP)
    _kill_keeper(demo)
    demo.kill()
    demo.wait()
    second = run_command(_demo(tmp_path), capture_output=True, text=True)
    assert second.returncode == 1
    said, _, pids = second.stderr.strip().rpartition("kill -9 ")
    assert f"the Airflow on {tmp_path}/airflow was killed, and some of its processes live on" in said
    for pid in pids.split():
        os.kill(int(pid), signal.SIGKILL)
    wait_for(lambda: not _of(tmp_path), 60)


def _kill_keeper(demo: subprocess.Popen[str]) -> None:
    (keeper,) = [process.pid for process in descendants(demo.pid) if process.parent == demo.pid]
    os.kill(keeper, signal.SIGKILL)


def test_a_second_demo_on_the_same_home_is_refused_and_the_first_goes_on(
    demo: subprocess.Popen[str], tmp_path: Path
) -> None:
    wait_for(lambda: len(_of(tmp_path)) >= PROCESSES, 600)
    second = run_command(_demo(tmp_path), capture_output=True, text=True)
    assert second.returncode == 1
    assert f"another Airflow runs on {tmp_path}/airflow: process {demo.pid}, http://127.0.0.1:" in second.stderr
    assert f"end it first: kill {demo.pid}" in second.stderr
    output, _ = demo.communicate()
    assert demo.returncode == 0, output
    assert "24 groups have p below 0.05" in output
