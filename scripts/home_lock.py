"""One Airflow per home: two on one database disturb each other."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from processes import with_variable

_HOME = "STACK_HOME"


class TakenError(Exception):
    """Another Airflow runs on this home."""


def mark(home: Path) -> dict[str, str]:
    """What is put into the environment of an Airflow, so that all its processes are found, whoever their parent is."""
    return {_HOME: str(home.resolve()), "SPT_NOENV": "1"}  # else setproctitle writes the title over the environment


def kill_processes(home: Path) -> None:
    """Kill all processes with the home's mark, and wait until they have ended."""
    while left := _processes(home):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def take(home: Path, url: str) -> int:
    """A file descriptor: the home is taken until the last process that holds it has closed it, or has ended.

    Raises TakenError, which names the process that took it and its address, or those of an Airflow whose keeper was
    killed.
    """
    path = home / "running.json"
    file = _open(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise TakenError(_who(path, home)) from None
    if left := _processes(home):
        os.close(file)
        pids = " ".join(map(str, left))
        raise TakenError(
            f"the Airflow on {home} was killed, and some of its processes live on. End them first: kill -9 {pids}"
        )
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps({"pid": os.getpid(), "url": url}).encode(), 0)
    return file


def _processes(home: Path) -> list[int]:
    return with_variable(_HOME, str(home.resolve()))


def _open(path: Path) -> int:
    """Never as 0, 1 or 2, which are free where a standard stream is closed: a child's stream would take its place."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        return fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(file)


def _who(path: Path, home: Path) -> str:
    try:
        other = json.loads(path.read_text())
    except ValueError:  # it is being written
        return f"another Airflow starts on {home} at this moment: use that one"
    pid, url = other["pid"], other["url"]
    if Path(f"/proc/{pid}").exists():
        return f"another Airflow runs on {home}: process {pid}, {url}. Use that one, or end it first: kill {pid}"
    return f"the Airflow of process {pid} on {home} is just ending: try again in half a minute"
