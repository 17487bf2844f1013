"""An isolated, real Airflow (scheduler, DAG processor, triggerer, API server) in one folder, on free ports.

The UI and the API listen on loopback. Airflow's two log servers, which want a signed token, know only all interfaces.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self

import home_lock
from patience import Patience
from stack_api import USER, Api, StackError

__all__ = ["ROOT", "USER", "Stack", "StackError", "example_environment", "explain", "free_port"]

ROOT = Path(__file__).resolve().parents[1]
_PARTS = {"scheduler": "scheduler", "dag_processor": "DAG processor", "triggerer": "triggerer"}
_LAST_LINES = 15
_SECRETS = {"password", "secret_key", "jwt_secret", "fernet_key"}
#: The last line of a traceback, as `airflow standalone` shows it.
_ERROR = re.compile(r"(\S+ *\| )?[\w.]+(Error|Exception): ")
#: Airflow's own limits of time are made for a machine that has time; here something that takes long is waited for.
_PATIENT = {
    "AIRFLOW__API__WORKER_TIMEOUT": "600",
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "600",
    "AIRFLOW__DAG_PROCESSOR__HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__TRIGGERER__RUNNER_HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
}


#: Parts of a SQLite URL, or expanded by Airflow.
_NOT_IN_PATHS = "?$%"


def example_environment(matches: str, home: Path) -> dict[str, str]:
    """What the example DAGs read. Runs start manually here: a schedule would add one when a DAG is unpaused."""
    return {
        "WTA_MATCHES_DIR": matches,
        "WTA_HOME": str(home),
        "WTA_SCHEDULE": "",
        "BATCHSCORE_EXAMPLES": str(home),
        "BATCHSCORE_EXAMPLE_SCHEDULE": "",
    }


def explain(error: StackError | OSError, home: Path) -> str:
    """A failure, for who started the Airflow; an error of the system's comes with where it may come from."""
    if isinstance(error, StackError):
        return f"failed: {error}"
    return f"failed: {error}. All is written below {home}: it must be a folder you may write to, on a disk with space"


def _silent(_: str) -> None:
    pass


@dataclass
class Stack(Api):
    """Airflow with SQLite and `LocalExecutor`; everything it writes is in `home`.

    Args:
        home: the Airflow home.
        dags: the DAGs folder.
        port: port of the UI and the API; a free one if None.
        extra: additional environment variables.
        command: what runs it.
        still: seconds after which a wait ends if nothing moves.
        say: is told what is waited for, while it is.
    """

    home: Path
    dags: Path
    port: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = (sys.executable, "-m", "airflow", "standalone")
    still: float = 60
    say: Callable[[str], None] = _silent
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        if wrong := set(f"{self.home}{self.dags}") & set(_NOT_IN_PATHS):
            raise StackError(
                f"Airflow misreads {' and '.join(sorted(wrong))} in a path: the home is {self.home}, the DAGs are in "
                f"{self.dags}. Take another folder"
            )
        self.home.mkdir(parents=True, exist_ok=True)
        self.began = datetime.now(UTC)
        self._silence = ""
        self.is_port_given = self.port is not None
        self.port = self.port or free_port()
        self._secrets = self._load_secrets()
        ports = [free_port(), free_port()]
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db?timeout=60",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__FERNET_KEY": self._secrets["fernet_key"],
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home / "passwords.json"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__SECRET_KEY": self._secrets["secret_key"],
            "AIRFLOW__API_AUTH__JWT_SECRET": self._secrets["jwt_secret"],
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports[0]),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports[1]),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            **_past_proxies(),
            **_PATIENT,
            **self.extra,
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def password(self) -> str:
        return str(self._secrets["password"])

    @property
    def log(self) -> Path:
        """Of all of Airflow's parts."""
        return self.home / "standalone.log"

    def _load_secrets(self) -> dict[str, str]:
        """Created at the first start and kept, readable by the owner only."""
        import base64

        path = self.home / "secrets.json"
        if not path.exists():
            made = {name: secrets.token_urlsafe(32) for name in ("secret_key", "jwt_secret")}
            made["password"] = secrets.token_urlsafe(9)
            made["fernet_key"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
            _write_private(path, made, only_first=True)
        try:
            loaded = {name: str(value) for name, value in json.loads(path.read_text()).items()}
            if lacking := _SECRETS - loaded.keys():
                raise ValueError(f"it lacks {', '.join(sorted(lacking))}")
        except (ValueError, AttributeError) as error:
            raise StackError(f"{path} is damaged ({error}): delete it, and the next start makes a new one") from None
        _write_private(self.home / "passwords.json", {USER: loaded["password"]})
        return loaded

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """An ``airflow`` command in this environment."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *command], env=self.env, cwd=ROOT, capture_output=True, text=True
        )
        if check and done.returncode:
            raise StackError(f"airflow {' '.join(command)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def start(self) -> Self:
        """Start everything below a process that ends it when this one ends, however it does; returns at once.

        Raises StackError if another Airflow runs on this home, or a program listens on the given port.
        """
        try:
            self._lock = home_lock.take(self.home, self.url)
        except home_lock.TakenError as error:
            raise StackError(str(error)) from None
        try:
            if self.is_port_given and not _is_free(self.port):
                raise StackError(f"port {self.port} is taken by another program: take another, as in make up PORT=9090")
            with open(self.log, "wb") as log:
                self.process = subprocess.Popen(
                    [sys.executable, ROOT / "scripts" / "keeper.py", *self.command],
                    env={**self.env, **home_lock.mark(self.home)},
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[self._lock],  # the home stays taken until both have ended
                )
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def wait_until_up(self) -> None:
        """Wait until the API answers and every part reports itself healthy."""
        patience = self.patience()
        while missing := self._missing():
            self.wait(patience, f"Airflow starts; not up yet: {', '.join(missing)}", missing)

    def _missing(self) -> list[str]:
        try:
            health = self.health()
            self._silence = ""
            return [name for part, name in _PARTS.items() if health[part]["status"] != "healthy"]
        except (OSError, HTTPException, StackError, KeyError, TypeError) as error:
            self._silence = f"The API server at {self.url} says no health: {error}. "
            return ["API server", *_PARTS.values()]

    def patience(self) -> Patience:
        """To give to `wait`, for one thing that is waited for."""
        return Patience(self.process.pid if self.process else os.getpid(), self.still, self.say)

    def wait(self, patience: Patience, reason: str, news: object = None) -> None:
        """Wait a moment. Raises StackError if Airflow has ended, or nothing has moved for long."""
        if self.process is not None and self.process.poll() is not None:
            raise StackError(f"Airflow ended with status {self.process.returncode}. {self.last_lines()}")
        if not patience.wait(reason, news):
            raise StackError(f"nothing has moved for {self.still:.0f} s. {reason}. {self._silence}{self.last_lines()}")

    def last_lines(self) -> str:
        """The end of the log of all parts, and where it is."""
        if self.process is None:
            return f"Its logs are below {self.home}"
        lines = [line for line in self._logged() if "[http.access]" not in line][-_LAST_LINES:]
        return "\n".join([f"The last lines of {self.log}:", *lines])

    def _logged(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines() if self.process else []

    def no_answer(self, error: Exception, patience: Patience | None) -> Patience:
        if self.process is None and not isinstance(error, TimeoutError):
            raise error  # not started here: nobody knows whether it will be there
        patience = patience or self.patience()
        self.wait(patience, f"the API server does not answer ({error})")
        return patience

    def stop(self, *, at_once: bool = False) -> None:
        """End all processes: in order, and those that are left after 15 s by force; or all by force at once."""
        if self.process is None:
            return
        with suppress(OSError):  # the terminal may be gone
            self.say("Airflow ends")
        assert self.process.stdin is not None
        self.process.send_signal(signal.SIGINT if at_once else signal.SIGTERM)
        self.process.stdin.close()
        self.process.wait()
        home_lock.kill_processes(self.home)  # a keeper that was killed leaves them behind
        os.close(self._lock)
        self.process = None

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_until_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until the DAG processor has stored the DAG in the database."""
        patience = self.patience()
        while not self._has(dag_id):
            for error in self.get("/api/v2/importErrors")["import_errors"]:
                if self._is_new(error) and dag_id in Path(self.dags, error["filename"]).read_text():
                    raise StackError(f"{error['filename']} does not import: {error['stack_trace']}")
            self.wait(patience, f"Airflow reads the DAG files; not found yet: {dag_id}{self._not_stored()}")

    def _not_stored(self) -> str:
        """What the DAG processor read and could not store, and why, if its log tells of such."""
        lines = self._logged()
        for number in reversed(range(len(lines))):
            if "Failed to persist parsing result" in lines[number]:
                why = next((line for line in lines[number:] if _ERROR.match(line)), "")
                return f". Airflow cannot store what it read: {lines[number]}\n{why}".rstrip()
        return ""

    def _has(self, dag_id: str) -> bool:
        try:
            self.get(f"/api/v2/dags/{dag_id}")
        except StackError as error:
            if error.status != 404:
                raise
            return False
        return True

    def _is_new(self, error: Mapping[str, Any]) -> bool:
        """Not of an earlier Airflow on this home, whose file may be right by now."""
        return datetime.fromisoformat(error["timestamp"]) > self.began

    def wait_for_newer_run(self, dag_id: str, than: str | None) -> str:
        """The id of a new run that nobody triggered manually."""
        patience = self.patience()
        while (newest := self.newest_run(dag_id)) in (None, than):
            self.wait(patience, f"no new run of {dag_id} yet")
        return str(newest)


def _past_proxies() -> dict[str, str]:
    """Airflow's parts reach each other without the proxy that the environment may name."""
    named = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    past = named if named == "*" else ",".join(filter(None, [named, "127.0.0.1", "localhost"]))
    return {"no_proxy": past, "NO_PROXY": past}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _is_free(port: int | None) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port or 0)) != 0


def _write_private(path: Path, value: Mapping[str, Any], *, only_first: bool = False) -> None:
    """Whole or not at all: another Airflow may read it. Of two that write it first, one does."""
    made = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(value, file)
    if only_first:
        with suppress(FileExistsError):
            os.link(made, path)
        made.unlink()
    else:
        made.replace(path)
