"""In the model's Python: runs the function that the task asks for, and sends back logs, news and the result."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeAlias

from airflow_batchscore.data.storage import credentials
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.model.functions import import_path

#: Sends news to the task while the function runs: a name, and values.
Tell: TypeAlias = Callable[..., None]


#: What reading, scoring and writing import, but for the model's own libraries.
_MODULES = ("distributed", "joblib", "pandas", "pyarrow.csv", "pyarrow.parquet")


class _Sender:
    """Messages to the task, from any thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()

    def __call__(self, kind: str, *values: object) -> None:
        with self._lock:
            self._connection.send((kind, values))


class _Relay(logging.Handler):
    """Sends log records as text: what they hold may be of classes that the task does not know."""

    def __init__(self, send: _Sender) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._send("log", record.name, record.levelno, self.format(record))
        except Exception:  # a record that cannot be shown must not stop the work
            self.handleError(record)


def serve(connection: Connection) -> None:
    """Do what the task asks for, and end."""
    send = _Sender(connection)
    try:
        function, arguments, connections, level = connection.recv()
        logging.getLogger().addHandler(_Relay(send))
        logging.getLogger().setLevel(level)
        for conn_id, options in connections.items():
            credentials.register(conn_id, options)
        send("done", import_path(function)(send, *arguments))
    except BaseException as error:
        send("failed", type(error).__module__, type(error).__qualname__, str(error), _stack(error))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # all is written; libraries take their time to end


def _stack(error: BaseException) -> str:
    """The stack, unless this package raised the error on purpose, for no other: its message says it all."""
    cause: BaseException | None = error
    while isinstance(cause, BatchScoreError):
        cause = cause.__cause__
    return "".join(traceback.format_exception(cause)) if cause is not None else ""


def import_libraries() -> None:
    """Import what scoring needs, without looking for garbage meanwhile, which would take a fifth of the time."""
    gc.disable()
    for name in _MODULES:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()
