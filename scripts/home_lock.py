"""One Airflow per home: two on one database disturb each other."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path


class TakenError(Exception):
    """Another Airflow runs on this home."""


def take(home: Path, url: str) -> int:
    """A file descriptor: the home is taken until the last process that holds it has closed it, or has ended.

    Raises TakenError, which names the process that took it and its address.
    """
    path = home / "running.json"
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise TakenError(_who(path, home)) from None
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps({"pid": os.getpid(), "url": url}).encode(), 0)
    return file


def _who(path: Path, home: Path) -> str:
    try:
        other = json.loads(path.read_text())
    except ValueError:  # it is being written
        return f"another Airflow starts on {home} at this moment: use that one"
    pid, url = other["pid"], other["url"]
    if Path(f"/proc/{pid}").exists():
        return f"another Airflow runs on {home}: process {pid}, {url}. Use that one, or end it first: kill {pid}"
    return f"the Airflow of process {pid} on {home} is just ending: try again in half a minute"
