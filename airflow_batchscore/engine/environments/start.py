"""Run as a script by the model's Python, which may lack everything but its standard library.

Usage: start.py DESCRIPTOR SETTINGS; the settings are JSON of the task's process (`calls`).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def main() -> None:
    settings = json.loads(sys.argv[2])
    if sys.platform == "linux":  # ends with the task, whatever ends that
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != settings["task"]:
        sys.exit(
            "the task has ended, or python= is a script that starts Python without `exec`: name the interpreter itself"
        )
    connection = Connection(int(sys.argv[1]))
    connection.send((tuple(sys.version_info[:3]), {name: _version(name) for name in settings["names"]}))
    # The script's own folder comes first, but its modules are part of a package.
    sys.path[:] = [settings["package"], *sys.path[1:], *settings["paths"]]
    del sys.argv[1:]
    from airflow_batchscore.engine.environments.there import serve

    serve(connection)


if __name__ == "__main__":
    main()
