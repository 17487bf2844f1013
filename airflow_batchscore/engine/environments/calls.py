"""In the task: calls a function of this package in another Python, and waits for what it returns.

The other process runs the files of this very package, so both always have the same code. They talk through a pair of
sockets that nobody else can reach.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import distribution
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import airflow_batchscore
from airflow_batchscore.data.storage import credentials
from airflow_batchscore.data.storage.local_files import scratch_folder
from airflow_batchscore.engine.base import WorkerLostError
from airflow_batchscore.engine.environments import made, needs
from airflow_batchscore.errors import BatchScoreError, EngineError

log = logging.getLogger(__name__)

_START = Path(__file__).with_name("start.py")
#: They would lead the other Python to the libraries of this one.
_UNSET = ("PYTHONPATH", "PYTHONHOME", "PYTHONEXECUTABLE", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
_END_SECONDS = 10
_CRASHES = (signal.SIGBUS, signal.SIGSEGV, signal.SIGILL)


def call(
    python: str,
    function: str,
    *arguments: object,
    uris: Sequence[str] = (),
    news: Mapping[str, Callable[..., object]] | None = None,
    doing: Callable[[], str] = lambda: "worked",
) -> Any:
    """``function(tell, *arguments)`` in another Python, which ends with this process.

    Args:
        python: path of the interpreter.
        function: import path, in this package.
        arguments: of plain values and classes of this package.
        uris: what it reads and writes, whose storages' libraries it needs.
        news: what to call, by name, when the function tells something.
        doing: what it was at, for the message if the process dies: "scored p=1".

    Raises:
        EngineError: there is no such interpreter, or it lacks what this package needs.
        WorkerLostError: the process died. The Airflow task is retried.
        BatchScoreError, OSError: as the function raised it.
        RuntimeError: the function raised something else.
    """
    lines = needs.requirements(uris)
    with contextlib.ExitStack() as stack:
        package = stack.enter_context(_package_alone())
        ours, theirs = socket.socketpair()
        with theirs:
            process = stack.enter_context(_started(python, theirs.fileno(), package, needs.names(lines)))
        connection = stack.enter_context(Connection(ours.detach()))
        log.info("running in %s (process %d)", python, process.pid)

        def heard() -> Any:
            with _while_it_lives(python, process, doing):
                return connection.recv()

        needs.check(python, lines, *heard())
        level = logging.getLogger("airflow_batchscore").getEffectiveLevel()
        with _while_it_lives(python, process, doing):
            connection.send((function, arguments, credentials.registered(), level))
        return _answer(python, heard, news or {})


@contextlib.contextmanager
def _while_it_lives(python: str, process: subprocess.Popen[bytes], doing: Callable[[], str]) -> Iterator[None]:
    """Around the exchange of a message alone: the function's own errors can be of the same kinds."""
    try:
        yield
    except (EOFError, BrokenPipeError, ConnectionResetError) as error:
        raise _lost(python, process, doing()) from error


def _answer(python: str, heard: Callable[[], Any], news: Mapping[str, Callable[..., object]]) -> Any:
    """Handle messages until the function has returned or raised."""
    while True:
        kind, values = heard()
        if kind == "log":
            name, level, message = values
            logging.getLogger(name).log(level, "%s", message)
        elif kind == "done":
            return values[0]
        elif kind == "failed":
            raise _error(python, *values)
        else:
            news[kind](*values)


@contextlib.contextmanager
def _started(python: str, descriptor: int, package: Path, names: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    settings = {"task": os.getpid(), "names": names, "package": str(package), "paths": own_paths()}
    command = [python, str(_START), str(descriptor), json.dumps(settings)]
    environment = {name: value for name, value in os.environ.items() if name not in _UNSET}
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[descriptor], env=environment)  # noqa: S603
    except OSError as error:
        raise EngineError(
            f"python={python}: it cannot be started on this worker ({error.strerror}). Nothing was read or written. "
            "Make the environment on every worker, in the same place, or let environment= make it"
        ) from error
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    finally:
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _package_alone() -> Iterator[Path]:
    """A folder of this task from which the other Python imports this package, and nothing else of this one."""
    with scratch_folder() as folder:
        source = Path(airflow_batchscore.__file__).parent
        (folder / source.name).symlink_to(source)
        installed = distribution("airflow-batchscore")
        record = f"airflow_batchscore-{installed.version}.dist-info"  # which tells its version
        (folder / record).symlink_to(Path(str(installed.locate_file(record))))
        yield folder


def own_paths() -> list[str]:
    """Folders that this process imports the user's own modules from: the DAGs folder, plugins, ``PYTHONPATH``."""
    standard = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
    archive = f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    return [
        path
        for path in sys.path
        if os.path.isabs(path)
        and not path.startswith(standard)
        and not {"site-packages", "dist-packages", archive} & set(Path(path).parts)
    ]


def _error(python: str, module: str, name: str, message: str, stack: str) -> Exception:
    """What the function raised, for this process."""
    if stack:
        log.error("the stack in %s:\n%s", python, stack.rstrip())
    if name in ("ImportError", "ModuleNotFoundError"):
        install = "Install it there, in a version that fits the others, then clear the task"
        if again := made.again(python):
            install = f"Add it to environment=; if it is there, the environment is damaged. {again}"
        return EngineError(f"{python} cannot import what it needs: {message}. {install}")
    if module.startswith("airflow_batchscore."):
        known = getattr(importlib.import_module(module), name, None)
        if isinstance(known, type) and issubclass(known, (BatchScoreError, WorkerLostError)):
            return known(message)
    known = getattr(importlib.import_module("builtins"), name, None) if module == "builtins" else None
    if isinstance(known, type) and issubclass(known, (OSError, MemoryError)):
        return known(message)
    return RuntimeError(f"{name}: {message}")


def _lost(python: str, process: subprocess.Popen[bytes], doing: str) -> Exception:
    """Why there is no answer."""
    code = process.wait()
    if code >= 0:  # it did not even come to the code that reports errors
        return EngineError(
            f"{python} ended with status {code} while it {doing}; what it wrote is above. Does it start by hand? If a "
            "library ended it, change its version"
        )
    ended, why, cure = signal.Signals(-code), "", ""
    if ended == signal.SIGKILL:
        why, cure = ", most likely for lack of memory", ". Give the task more memory, or smaller blocks (block_rows)"
    elif ended in _CRASHES:
        why = ", most likely by a library that is damaged or does not fit the others"
        cure = f". {made.again(python) or 'Install its libraries again, or other versions of them'}"
    return WorkerLostError(
        f"{python} was ended by {ended.name}{why}, while it {doing}. What was written is kept for a retry{cure}"
    )
