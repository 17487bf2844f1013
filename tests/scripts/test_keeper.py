"""Nothing that the keeper's command started outlives the keeper's parent, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import start_command
from processes import alive, descendants
from support import ROOT, wait_for

pytestmark = [pytest.mark.unit, pytest.mark.slow]

KEEPER = str(ROOT / "scripts" / "keeper.py")
#: A shell with a child that leaves its session and its parent, as a daemon does, and one that stays.
FAMILY = "setsid sh -c 'sleep 1001 & exit' & {deaf} sleep 1002"
#: Starts a keeper, says so, and ends when told.
PARENT = f"""
import subprocess, sys
kept = subprocess.Popen([sys.executable, {KEEPER!r}, "sh", "-c", sys.argv[1]], stdin=subprocess.PIPE)
print(kept.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def parent(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    family = FAMILY.format(deaf=request.param)
    command = [sys.executable, "-c", PARENT, family]
    process = start_command(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def _keeper(parent: subprocess.Popen[str]) -> int:
    """Its id, once the whole family is there."""
    assert parent.stdout is not None
    keeper = int(parent.stdout.readline())
    wait_for(lambda: len(_sleepers(keeper)) == 2, 60)
    return keeper


def _sleepers(keeper: int) -> list[int]:
    found = []
    for process in descendants(keeper):
        try:
            command = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith(b"sleep"):
            found.append(process.pid)
    return found


def _by_kill(parent: subprocess.Popen[str], keeper: int) -> None:
    parent.kill()


def _in_order(parent: subprocess.Popen[str], keeper: int) -> None:
    parent.communicate()


def _by_signal(number: int) -> Callable[[subprocess.Popen[str], int], None]:
    return lambda parent, keeper: os.kill(keeper, number)


DEAF = "trap '' TERM;"


@pytest.mark.parametrize(
    ("parent", "end"),
    [
        ("", _by_kill),
        (DEAF, _by_kill),
        ("", _in_order),
        ("", _by_signal(signal.SIGTERM)),
        ("", _by_signal(signal.SIGHUP)),
        (DEAF, _by_signal(signal.SIGINT)),
    ],
    ids=["parent killed", "parent killed, deaf", "parent ended", "SIGTERM", "SIGHUP", "SIGINT, deaf"],
    indirect=["parent"],
)
def test_the_whole_family_ends(
    parent: subprocess.Popen[str], end: Callable[[subprocess.Popen[str], int], None]
) -> None:
    keeper = _keeper(parent)
    family = [process.pid for process in descendants(keeper)]
    end(parent, keeper)
    parent.kill()
    parent.wait()  # a zombie of the keeper goes to init
    wait_for(lambda: not any(alive(pid) for pid in [keeper, *family]), 60)


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("exit 3", 3, ""),
        ("sleep 1004 & exit 0", 0, ""),
        # A shell waits for its children only when it is asked to; Python's Popen is not asked here, as in Airflow.
        (
            f"exec {sys.executable} -c 'import subprocess, time; p = subprocess.Popen([\"true\"]); time.sleep(1005)'",
            1,
            "a part of sh -c",
        ),
    ],
    ids=["ends", "leaves a child behind", "loses a part"],
)
def test_the_keeper_ends_with_its_command(command: str, status: int, said: str) -> None:
    keeper = start_command(
        [sys.executable, KEEPER, "sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert keeper.stdout is not None
        told = keeper.stdout.read()
        assert keeper.wait() == status
        assert told.startswith(said)
        assert bool(told) is bool(said)
    finally:
        keeper.kill()
        keeper.communicate()


def test_a_keeper_whose_log_is_full_ends_the_family_all_the_same() -> None:
    start = "from subprocess import Popen; import time; p = Popen(['true']), Popen(['sleep', '1006']); time.sleep(1007)"
    command = [sys.executable, KEEPER, sys.executable, "-c", start]
    with open("/dev/full", "wb") as full:
        keeper = start_command(command, stdin=subprocess.PIPE, stdout=full)
    try:
        wait_for(lambda: len(_sleepers(keeper.pid)) == 1, 60)
        below = [process.pid for process in descendants(keeper.pid)]
        assert keeper.wait() == 1
        assert not any(alive(pid) for pid in below)
    finally:
        keeper.kill()
        keeper.communicate()
