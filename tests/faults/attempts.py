"""Attempts of a stage that can be killed: each a session of its own, a supervisor and, forked by it, the task."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
_LEFT_SECONDS = 15.0

TASK = "SIGKILL of the task"
SUPERVISOR = "SIGKILL of its supervisor"
GROUP = "SIGTERM to the group, as Airflow"
TIMEOUT = "execution timeout"
WORKER = "SIGKILL of a Dask worker"


@dataclass(frozen=True)
class Attempt:
    """A session of a supervisor (`pid`) and its task."""

    pid: int
    folder: Path
    name: str

    @property
    def task(self) -> int | None:
        """The task's process id, once it has begun."""
        return self._said("task")

    @property
    def status(self) -> int | None:
        """The task's exit status; None when it runs, or when nobody was left to tell."""
        return self._said("status")

    def _said(self, what: str) -> int | None:
        path = self.folder / f"{self.name}.{what}"
        return int(path.read_text()) if path.exists() else None

    def ended(self) -> bool:
        return not _session_of(self.pid) and not processes(self.pid)

    def wait(self, seconds: float) -> bool:
        """Whether it ended in time."""
        end = time.monotonic() + seconds
        while not self.ended() and time.monotonic() < end:
            time.sleep(0.01)
        return self.ended()


class Server:
    """Forks attempts from a process that has imported what they need, as Airflow's workers may."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
        self._process = subprocess.Popen(
            [sys.executable, "-c", "import stage; stage.serve()"],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._count = 0

    def start(self, stage: str, folder: Path, *, seconds: float = 0, block_seconds: float = 0.02) -> Attempt:
        self._count += 1
        name = f"attempt-{self._count}"
        asked = {"stage": stage, "folder": str(folder), "name": name, "seconds": seconds}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**asked, "block_seconds": block_seconds}) + "\n")
        self._process.stdin.flush()
        return Attempt(int(self._process.stdout.readline()), folder, name)

    def finish(self, stage: str, folder: Path) -> bool:
        """An undisturbed attempt: did it end well?"""
        attempt = self.start(stage, folder, block_seconds=0)
        return attempt.wait(120) and attempt.status == 0

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)


def processes(session: int) -> list[int]:
    """Living processes of a session, zombies left out."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _session_of(int(name)) == session]


def _session_of(pid: int) -> int | None:
    """None if the process is gone, or a zombie. Called very often, hence no `Path`."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            state, _, _, session = file.read().rsplit(")", 1)[1].split()[:4]
    except OSError:
        return None
    return None if state == "Z" else int(session)


def left_over(attempt: Attempt) -> int:
    """Processes of the session that are still there after 15 s; they are killed then."""
    if attempt.wait(_LEFT_SECONDS):
        return 0
    left = processes(attempt.pid)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return len(left)


def workers_of(session: int) -> list[int]:
    """Dask's worker processes; they call themselves so once they are up, where setproctitle is installed."""
    found = []
    for pid in processes(session):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"spawn_main" in line or line.startswith(b"dask worker"):
                found.append(pid)
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not so after {seconds} s")
        time.sleep(0.005)


def strike(attempt: Attempt, fault: str, chance: random.Random) -> bool:
    """Do it, and wait for the end; False when there was nothing left to do it to."""
    try:
        if fault == SUPERVISOR:
            os.kill(attempt.pid, signal.SIGKILL)
        elif fault == TASK:
            os.kill(attempt.task or 0, signal.SIGKILL)
        elif fault == GROUP:
            os.killpg(attempt.task or 0, signal.SIGTERM)
            if not attempt.wait(5):
                os.killpg(attempt.task or 0, signal.SIGKILL)
        elif fault == WORKER:
            os.kill(chance.choice(workers_of(attempt.pid)), signal.SIGKILL)
            attempt.wait(120)  # the task goes on without it
    except (ProcessLookupError, IndexError):
        return False
    return True
