"""Start and stop the servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Self

from commands import run_command, start_command
from stack import free_port
from support import ROOT, wait_for


class Servers(ABC):
    """Processes that are started together and killed by their own process ids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *command: str, user: str | None = None, **environment: str) -> subprocess.Popen[bytes]:
        """A process whose output goes to ``<name>.log``."""
        with open(self.folder / f"{name}.log", "ab") as log:
            process = start_command(
                command,
                cwd=self.folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=user,
            )
        self._started.append(process)
        return process

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def up(self) -> None:
        """Start everything, and wait until it answers."""

    def stop(self) -> None:
        """TERM to each process, and KILL to what is left of it and its children."""
        for process in reversed(self._started):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class DaskServers(Servers):
    """A Dask scheduler and two workers of one thread, from an environment without Airflow."""

    def __init__(self, python: str, folder: Path) -> None:
        super().__init__(folder)
        self._python = python
        self._file = folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return str(json.loads(self._file.read_text())["address"])

    def up(self) -> None:
        self._command("scheduler", "distributed.cli.dask_scheduler", "--port", "0")
        wait_for(lambda: self._file.exists() and self._file.stat().st_size > 0, 60)
        self.add_workers(2)

    def add_workers(self, count: int) -> None:
        for _ in range(count):
            name = f"worker-{len(self.workers)}"
            self.workers.append(self._command(name, "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny"))

    def _command(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        # Models and recipes of the tests are importable there, as an image of a real cluster has them.
        path = {"PYTHONPATH": str(ROOT / "tests")}
        options = ["--scheduler-file", str(self._file), "--host", "127.0.0.1", "--no-dashboard"]
        return self.start(name, self._python, "-m", *command, *options, **path)


class SparkServers(Servers):
    """A Spark standalone master and a worker of two cores, from an environment without Airflow."""

    def __init__(self, python: str, folder: Path) -> None:
        super().__init__(folder)
        self.python = python
        self._port = free_port()

    @property
    def master(self) -> str:
        return f"spark://127.0.0.1:{self._port}"

    @property
    def config(self) -> dict[str, str]:
        """What a driver on this machine needs."""
        return {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.pyspark.python": self.python,
            "spark.executorEnv.PYTHONPATH": str(ROOT / "tests"),
            "spark.executor.memory": "512m",
            "spark.ui.enabled": "false",
        }

    def up(self) -> None:
        self._command("master", "master.Master", "--port", str(self._port))
        wait_for(lambda: "New state: ALIVE" in self._log("master"), 60)
        self._command("worker", "worker.Worker", "--port", "0", "--cores", "2", "--memory", "1g", self.master)
        wait_for(lambda: "Registering worker" in self._log("master"), 60)

    def _command(self, name: str, kind: str, *options: str) -> None:
        found = run_command(
            [self.python, "-c", "import pyspark; print(pyspark.__path__[0])"],
            capture_output=True,
            text=True,
            check=True,
        )
        home = found.stdout.strip()
        command = [f"{home}/bin/spark-class", f"org.apache.spark.deploy.{kind}", "--host", "127.0.0.1"]
        environment = {
            "SPARK_HOME": home,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",
            "SPARK_WORKER_DIR": str(self.folder / "work"),
        }
        self.start(name, *command, "--webui-port", "0", *options, **environment)

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()
