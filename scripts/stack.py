"""An isolated, real Airflow (scheduler, DAG processor, triggerer, API server) in one folder, on free loopback ports."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
USER = "admin"


def example_environment(matches: str, home: Path) -> dict[str, str]:
    """What the example DAGs read. Runs start manually here: a schedule would add one when a DAG is unpaused."""
    return {
        "WTA_MATCHES_DIR": matches,
        "WTA_HOME": str(home),
        "WTA_SCHEDULE": "",
        "BATCHSCORE_EXAMPLES": str(home),
        "BATCHSCORE_EXAMPLE_SCHEDULE": "",
    }


class StackError(Exception):
    """Airflow did not do what it was asked."""


@dataclass
class Stack:
    """Airflow with SQLite and `LocalExecutor`; everything it writes is in `home`.

    Args:
        home: the Airflow home.
        dags: the DAGs folder.
        port: port of the UI and the API; a free one if None.
        extra: additional environment variables.
    """

    home: Path
    dags: Path
    port: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    _token: str | None = None

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
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
            **self.extra,
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def password(self) -> str:
        return str(self._secrets["password"])

    def _load_secrets(self) -> dict[str, str]:
        """Created at the first start and kept, readable by the owner only."""
        import base64

        path = self.home / "secrets.json"
        if not path.exists():
            made = {name: secrets.token_urlsafe(32) for name in ("secret_key", "jwt_secret")}
            made["password"] = secrets.token_urlsafe(9)
            made["fernet_key"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
            _write_private(path, made)
        loaded: dict[str, str] = json.loads(path.read_text())
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
        """Start everything in its own process group; returns at once."""
        log = open(self.home / "standalone.log", "ab")  # noqa: SIM115 - the child keeps it
        self.process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "standalone"],
            env=self.env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        return self

    def wait_until_up(self, seconds: float = 120) -> None:
        """Wait until the API answers and every component reports itself healthy."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process is not None and self.process.poll() is not None:
                raise StackError(
                    f"Airflow stopped with status {self.process.returncode}; see {self.home}/standalone.log"
                )
            try:
                health = self.get("/api/v2/monitor/health", authorised=False)
                if all(health[part]["status"] == "healthy" for part in ("scheduler", "dag_processor", "triggerer")):
                    return
            except (OSError, KeyError, TypeError):
                pass
            time.sleep(0.3)
        raise StackError(f"Airflow was not up after {seconds:.0f} s; see {self.home}/standalone.log")

    def stop(self) -> None:
        """Send TERM to the group, and KILL to what is left of it after 15 s."""
        if self.process is None:
            return
        for sent, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
            try:
                os.killpg(self.process.pid, sent)
            except ProcessLookupError:
                break
            if _group_ends(self.process, seconds):
                break
        self.process.wait()
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

    def get(self, path: str, *, authorised: bool = True) -> Any:
        return self._request("GET", path, None, authorised)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._request("POST", path, body, True)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._request("PATCH", path, body, True)

    def put(self, path: str, body: Mapping[str, Any]) -> None:
        self._request("PUT", path, body, True)

    def token(self) -> str:
        if self._token is None:
            body = {"username": USER, "password": self.password}
            self._token = str(self._request("POST", "/auth/token", body, False)["access_token"])
        return self._token

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None, authorised: bool) -> Any:
        headers = {"Content-Type": "application/json"}
        if authorised:
            headers["Authorization"] = f"Bearer {self.token()}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise StackError(f"{method} {path}: {error.code} {error.read().decode()[:1000]}") from error

    def wait_for_dag(self, dag_id: str, seconds: float = 90) -> None:
        """Wait until the DAG processor has stored the DAG in the database."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.get(f"/api/v2/dags/{dag_id}")
                return
            except StackError:
                if time.monotonic() > end:
                    errors = self.get("/api/v2/importErrors")["import_errors"]
                    raise StackError(f"DAG {dag_id} did not appear; import errors: {errors}") from None
                time.sleep(0.5)

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run manually; returns its id."""
        run = self.post(f"/api/v2/dags/{dag_id}/dagRuns", {"conf": conf, "logical_date": None})
        self.unpause(dag_id)
        return str(run["dag_run_id"])

    def state(self, dag_id: str, run_id: str) -> str:
        return str(self.get(f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id)}")["state"])

    def unpause(self, dag_id: str) -> None:
        self.patch(f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def newest_run(self, dag_id: str) -> str | None:
        """The id of the DAG's newest run, however it was started."""
        runs = self.get(f"/api/v2/dags/{dag_id}/dagRuns?order_by=-id&limit=1")["dag_runs"]
        return str(runs[0]["dag_run_id"]) if runs else None

    def wait_for_newer_run(self, dag_id: str, than: str | None, seconds: float) -> str:
        """The id of a new run that nobody triggered manually."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            newest = self.newest_run(dag_id)
            if newest not in (None, than):
                return str(newest)
            time.sleep(1)
        raise StackError(f"{dag_id} had no new run after {seconds:.0f} s")

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        path = f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id)}/taskInstances?limit=1000"
        found: list[dict[str, Any]] = self.get(path)["task_instances"]
        return found

    def task_log(self, instance: Mapping[str, Any]) -> list[str]:
        """The log lines of the last try of a task instance."""
        path = (
            f"/api/v2/dags/{instance['dag_id']}/dagRuns/{urllib.parse.quote(instance['dag_run_id'])}/taskInstances/"
            f"{instance['task_id']}/logs/{instance['try_number']}?map_index={instance['map_index']}"
        )
        lines = self.get(path)["content"]
        return [_log_line(line) if isinstance(line, dict) else str(line) for line in lines]

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float) -> str:
        """The final state of a run. Raises StackError if it has none in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                state = self.state(dag_id, run_id)
            except TimeoutError:  # a busy machine: its first tasks make the API server import much
                continue
            if state in ("success", "failed"):
                return state
            time.sleep(0.5)
        raise StackError(f"run {run_id} of {dag_id} was not done after {seconds:.0f} s")


def _log_line(line: Mapping[str, Any]) -> str:
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in line.get("error_detail") or []]
    return " | ".join([str(line.get("event", "")), *errors])


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _write_private(path: Path, value: Mapping[str, Any]) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(value, file)


def _group_ends(process: subprocess.Popen[bytes], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        process.poll()  # reaps the leader, which would count as a member while it is a zombie
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
