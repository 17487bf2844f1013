"""Airflow's public API, as this repository's scripts and tests use it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any

from patience import Patience

USER = "admin"
#: Of one attempt: a busy machine answers late, and is asked again.
_SECONDS_TO_ANSWER = 30


#: The Airflow is on this machine: a proxy of the environment is not for it.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class StackError(Exception):
    """Airflow did not do what it was asked.

    Attributes:
        status: of the API's answer, if there was one.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """What can be asked of an Airflow. A subclass says where it is, and whether it is worth asking again."""

    _token: str | None = None

    @property
    def url(self) -> str:
        raise NotImplementedError

    @property
    def password(self) -> str:
        raise NotImplementedError

    def no_answer(self, error: Exception, patience: Patience | None) -> Patience:
        """Called before a request is made again. Raises what is to be told if that is of no use.

        Args:
            patience: what the last call for this request returned.
        """
        raise error

    def get(self, path: str) -> Any:
        return self._request("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._request("POST", path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._request("PATCH", path, body)

    def put(self, path: str, body: Mapping[str, Any]) -> None:
        self._request("PUT", path, body)

    def health(self) -> Any:
        """Of Airflow's parts. Raises OSError, HTTPException or StackError if it does not answer."""
        return self._answer("GET", "/api/v2/monitor/health", None, {})

    def token(self) -> str:
        if self._token is None:
            body = {"username": USER, "password": self.password}
            self._token = str(self._answer("POST", "/auth/token", body, {})["access_token"])
        return self._token

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        patience: Patience | None = None
        while True:
            try:
                return self._answer(method, path, body, {"Authorization": f"Bearer {self.token()}"})
            except (OSError, HTTPException) as error:
                patience = self.no_answer(error, patience)
            except StackError as error:
                if (error.status or 0) < 500:
                    raise
                patience = self.no_answer(error, patience)  # such as a database that waits for others too long

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with _OPENER.open(request, timeout=_SECONDS_TO_ANSWER) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read().decode()[:1000]
            raise StackError(f"{method} {path}: {error.code} {text}", error.code) from error

    def trigger(self, dag_id: str, conf: Mapping[str, Any], partition_key: str | None = None) -> str:
        """Start a run manually; returns its id."""
        run_id = f"manual__{datetime.now(UTC).isoformat()}"
        body = {"conf": conf, "logical_date": None, "dag_run_id": run_id, "partition_key": partition_key}
        try:
            self.post(f"/api/v2/dags/{dag_id}/dagRuns", body)
        except StackError as error:
            if error.status != 409:  # else a first attempt whose answer came too late had started it
                raise
        self.unpause(dag_id)
        return run_id

    def state(self, dag_id: str, run_id: str) -> str:
        return str(self.get(f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id)}")["state"])

    def unpause(self, dag_id: str) -> None:
        self.patch(f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def started_by_events(self, dag_id: str) -> list[dict[str, Any]]:
        """The DAG's runs that asset events started, newest first; a thousand at most."""
        path = f"/api/v2/dags/{dag_id}/dagRuns?order_by=-id&limit=1000&run_type=asset_triggered"
        found: list[dict[str, Any]] = self.get(path)["dag_runs"]
        return found

    def newest_run(self, dag_id: str) -> str | None:
        """The id of the DAG's newest run, however it was started."""
        runs = self.get(f"/api/v2/dags/{dag_id}/dagRuns?order_by=-id&limit=1")["dag_runs"]
        return str(runs[0]["dag_run_id"]) if runs else None

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
            state = self.state(dag_id, run_id)
            if state in ("success", "failed"):
                return state
            time.sleep(0.5)
        raise StackError(f"run {run_id} of {dag_id} was not done after {seconds:.0f} s")


def _log_line(line: Mapping[str, Any]) -> str:
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in line.get("error_detail") or []]
    return " | ".join([str(line.get("event", "")), *errors])
