"""`Spark`: each block is a Spark task, with Spark's retries, locality and scheduling."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.engine.base import Arguments, Capacity, Engine, WorkerLostError
from airflow_batchscore.engine.remote import RemoteSession, cannot_import
from airflow_batchscore.engine.rerun import call_again
from airflow_batchscore.errors import EngineError, InputError

if TYPE_CHECKING:
    from pyspark import Accumulator, SparkContext

log = logging.getLogger(__name__)
R = TypeVar("R")

_POLL_SECONDS = 0.05
#: Also importable from here, their original location; they live in `airflow_batchscore.spark`.
_MOVED = ("predict_udf", "score_table")
_PYTHON = "spark.pyspark.python"
_DEFAULTS = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
_AUTHENTICATE = "spark.authenticate"
#: A local master also listens, and without a secret it serves anyone on this machine. Spark creates the secret.
_PRIVATE = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    _AUTHENTICATE: "true",
    "spark.network.crypto.enabled": "true",
}
#: Names of properties kept off the command line, which all users of a machine can read.
_SECRET = re.compile(
    r"secret|passw|passphrase|token|credential|\bsas\b|(access|account|private|api|encryption)[._-]?key", re.IGNORECASE
)


def require_pyspark() -> None:
    """Raise EngineError if pyspark is not installed."""
    if find_spec("pyspark") is None:
        raise EngineError("Spark needs pyspark where the task runs: pip install 'airflow-batchscore[spark]'")


@dataclass(frozen=True)
class Spark(Engine):
    """Scores on a Spark cluster; the Airflow task is the driver.

    The executors need this package without Airflow (``pip install airflow-batchscore[worker]``), in the task's version,
    and must reach the data, the model and the output under the same URIs, with their own credentials. The task needs
    Java and ``airflow-batchscore[spark]``.

    Args:
        master: URL of the cluster: ``spark://host:7077``, ``yarn``, ``k8s://...``, ``local[4]``.
        conn_id: Airflow connection with the master as host (and port), in place of `master`.
        config: Spark properties, such as ``spark.executor.memory``; ``spark.pyspark.python`` is the executors' Python.
            A local master is authenticated and encrypted; for others, the cluster's properties decide.

    An already active session in this process (a notebook's) is used and not stopped.
    """

    master: str | None = None
    conn_id: str | None = None
    config: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.master and self.conn_id:
            raise InputError("Spark: give master or conn_id, not both")

    def describe(self) -> JsonObject:
        return {"engine": "Spark", "master": self.master}

    def capacity(self, slots: int = 1) -> Capacity:
        return Capacity(f"Spark, {self.master}")

    def connected(self, host: str, port: int | None, extra: Mapping[str, object]) -> Spark:
        """With the master from an Airflow connection in place of `conn_id`."""
        master = f"{host}:{port}" if port else host
        if port and "://" not in host:
            master = f"spark://{master}"
        return replace(self, conn_id=None, master=master)

    def session(self, slots: int = 1) -> _Session:
        return _Session(self)


class _Session(RemoteSession["SparkContext"]):
    def __init__(self, engine: Spark) -> None:
        super().__init__()
        self._engine = engine

    def dispatch(self, connection: SparkContext, function: Callable[..., R], arguments: Arguments) -> Iterator[R]:
        return _run(connection, function, list(arguments))

    def connect(self) -> SparkContext:
        require_pyspark()
        from pyspark.errors import PySparkRuntimeError
        from pyspark.sql import SparkSession

        active = SparkSession.getActiveSession()
        if active is not None:
            return active.sparkContext
        settings = self._settings()
        if _PYTHON in settings:  # Spark's launcher would do this; a driver that is a Python process has none
            os.environ["PYSPARK_PYTHON"] = settings[_PYTHON]
        builder = SparkSession.builder.appName("airflow-batchscore").config(map=settings)
        try:
            _launch(settings)
            session = builder.getOrCreate()
        except PySparkRuntimeError as error:
            raise EngineError(f"Spark does not start here: {error}. It needs Java 17 (JAVA_HOME)") from error
        self.resources.callback(session.stop)
        context = session.sparkContext
        if context.master.startswith("local") and context.getConf().get(_AUTHENTICATE) != "true":
            raise EngineError(
                f"Spark started {context.master} without a secret, open to all users of this machine. Name the master, "
                f'Spark(master="{context.master}"), and leave {_AUTHENTICATE} out of its config'
            )
        context.setLogLevel("WARN")
        log.info("Spark %s: application %s", context.master, context.applicationId)
        return context

    def _settings(self) -> dict[str, str]:
        settings = {**self._engine.config}
        if self._engine.master:
            settings["spark.master"] = self._engine.master
        defaults = {**_DEFAULTS}
        if settings.get("spark.master", "").startswith("local"):
            path = os.pathsep.join(filter(None, sys.path))
            defaults |= {**_PRIVATE, _PYTHON: sys.executable, "spark.executorEnv.PYTHONPATH": path}
        return {**defaults, **settings}


def _launch(settings: Mapping[str, str]) -> None:
    """Start the JVM if none is running: pyspark would put all settings on its command line."""
    from pyspark import SparkConf, SparkContext

    harmless = [(name, value) for name, value in settings.items() if not _SECRET.search(name)]
    SparkContext._ensure_initialized(conf=SparkConf(loadDefaults=False).setAll(harmless))


class _Appending:
    """A list as a Spark accumulator."""

    def zero(self, value: list[object]) -> list[object]:
        return []

    def addInPlace(self, value: list[object], more: list[object]) -> list[object]:  # noqa: N802 - Spark's name
        value.extend(more)
        return value


@dataclass(frozen=True)
class _Work:
    """What an executor does for one block. It returns the result, or an error that Spark should not retry."""

    function: Callable[..., object]
    answers: Accumulator[list[tuple[object, Exception | None]]]
    attempts: int

    def __call__(self, argument: tuple[object, ...]) -> None:
        from pyspark import TaskContext

        context = TaskContext.get()
        before = 0 if context is None else context.attemptNumber()
        answer: tuple[object, Exception | None]
        try:
            answer = (call_again(self.function, *argument) if before else self.function(*argument), None)
        except Exception as error:
            last = context is None or before + 1 >= self.attempts
            if isinstance(error, OSError) and not last:
                raise  # storage that did not answer may do so next time
            answer = (None, error)
        self.answers.add([answer])


def _run(context: SparkContext, function: Callable[..., R], arguments: list[tuple[object, ...]]) -> Iterator[R]:
    """Results in the order they finish. An accumulator returns them; Spark counts each task's addition once."""
    from pyspark import InheritableThread

    answers = context.accumulator([], _Appending())
    attempts = int(context.getConf().get("spark.task.maxFailures", "4") or 4)
    work = _Work(function, answers, 1 if context.master.startswith("local") else attempts)
    group = f"batchscore-{uuid.uuid4().hex[:8]}"
    failed: list[Exception] = []

    def foreach() -> None:
        context.setJobGroup(group, "airflow-batchscore: score blocks", interruptOnCancel=True)
        try:
            context.parallelize(arguments, len(arguments)).foreach(work)
        except Exception as error:
            failed.append(error)

    thread = InheritableThread(target=foreach, daemon=True)
    thread.start()
    seen = 0
    try:
        running = True
        while running:
            time.sleep(_POLL_SECONDS)
            running = thread.is_alive()
            new = answers.value[seen:]
            seen += len(new)
            for result, error in new:
                if error is not None:
                    raise error
                yield result
        if failed:
            raise _explained(failed[0], arguments) from failed[0]
    finally:
        if thread.is_alive():
            context.cancelJobGroup(group)


def _explained(error: Exception, arguments: list[tuple[object, ...]]) -> Exception:
    """Why Spark gave up, in words for the person on call."""
    text = str(error)
    if "No module named" in text:
        missing = re.search(r"ModuleNotFoundError: (No module named \S+)", text)
        return cannot_import("the executors", missing.group(1) if missing else text[:500])
    lost = re.search(r"Task (\d+) in stage \S+ failed (\d+) times.*?: (.{0,300})", text, re.DOTALL)
    if lost is None:
        return OSError(f"the Spark job failed: {text[:1000]}")
    return WorkerLostError.of(
        arguments[int(lost.group(1))],
        "the executor or its Python worker",
        "Give executors more memory",
        times=int(lost.group(2)),
        cause=lost.group(3).strip(),
    )


def __getattr__(name: str) -> Any:
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("airflow_batchscore.spark"), name)
