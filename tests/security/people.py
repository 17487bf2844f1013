"""Who asks Airflow's API, with a token of their own, and what they can ask for."""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stack import Stack


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Person:
    """Somebody with a token, or without one."""

    stack: Stack
    token: str | None

    @classmethod
    def logged_in(cls, stack: Stack, name: str, password: str) -> Person:
        nobody = cls(stack, None)
        answer = nobody.ask("POST", "/auth/token", {"username": name, "password": password})
        assert answer.status in (200, 201), answer.body
        return cls(stack, str(answer.value["access_token"]))

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        answer = self._answer(method, path, body)
        for _ in range(5):
            if not (answer.status == 500 and b"Database error" in answer.body):
                break
            time.sleep(1)  # SQLite was locked, so that nothing has changed
            answer = self._answer(method, path, body)
        return answer

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        headers = {"Content-Type": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.stack.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=180) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())
        except TimeoutError as error:
            raise TimeoutError(f"{method} {path}: no answer in three minutes") from error

    def must(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = self.ask(method, path, body)
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.body[:500]!r}"
        return answer.value if answer.body else None

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> Answer:
        return self.ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"conf": conf, "logical_date": None})

    def xcom(self, run: Run, task_id: str, map_index: int = -1) -> Any:
        """What a task returned."""
        found = self.must("GET", f"{_xcom(run, task_id)}/return_value?map_index={map_index}&deserialize=false")
        return _parsed(found["value"])

    def edit_xcom(self, run: Run, task_id: str, value: Any, map_index: int = -1) -> None:
        body = {"value": value, "map_index": map_index}
        self.must("PATCH", f"{_xcom(run, task_id)}/return_value", body)

    def delete_xcom(self, run: Run, task_id: str, map_index: int = -1) -> None:
        self.must("DELETE", f"{_xcom(run, task_id)}/return_value?map_index={map_index}")

    def add_xcom(self, run: Run, task_id: str, value: Any, map_index: int = -1) -> None:
        """Where there is none."""
        answer = self.ask("POST", _xcom(run, task_id), {"key": "return_value", "value": value, "map_index": map_index})
        assert answer.status in (201, 409), answer.body

    def mark_success(self, run: Run, task_id: str, map_index: int = -1) -> None:
        mapped = "" if map_index < 0 else f"/{map_index}"
        self.must("PATCH", f"{run.path}/taskInstances/{task_id}{mapped}", {"new_state": "success"})

    def clear(self, run: Run, task_ids: Sequence[str]) -> None:
        body = {"dry_run": False, "dag_run_id": run.run_id, "task_ids": list(task_ids), "only_failed": False}
        self.must("POST", f"/api/v2/dags/{run.dag_id}/clearTaskInstances", body)


@dataclass(frozen=True)
class Run:
    """A run of a DAG."""

    dag_id: str
    run_id: str

    @property
    def path(self) -> str:
        return f"/api/v2/dags/{self.dag_id}/dagRuns/{quote(self.run_id, safe='')}"

    def report(self, task_id: str = "publish") -> str:
        return f"/batchscore/report/{self.dag_id}/{quote(self.run_id, safe='')}/{task_id}"


def _xcom(run: Run, task_id: str) -> str:
    return f"{run.path}/taskInstances/{task_id}/xcomEntries"


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def simple_users(roles: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """A person of each of SimpleAuthManager's roles: the setting, and their passwords."""
    passwords = {f"a-{role}": secrets.token_urlsafe(9) for role in roles}
    users = ",".join(["admin:admin", *(f"a-{role}:{role}" for role in roles)])
    return {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": users}, passwords


def give_passwords(stack: Stack, passwords: Mapping[str, str]) -> None:
    """Before it starts."""
    path = Path(stack.env["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    path.write_text(json.dumps({**json.loads(path.read_text()), **passwords}))
