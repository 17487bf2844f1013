"""Tables on S3: the commits of a Delta table are conditional writes, those of an Iceberg table the catalog's."""

from __future__ import annotations

import http.server
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lakes import KINDS, Lake, lake
from publications import publish, scored_twice
from s3_server import emptied_moto, s3_options

from airflow_batchscore.data.storage import Location, credentials
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.publish.stamp import Publication
from airflow_batchscore.publish.targets import target_of
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Manifest]]:
    return scored_twice(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    yield emptied_moto()
    credentials.forget("test")


def _lake(kind: str, folder: Path, endpoint: str) -> Any:
    credentials.register("test", s3_options(endpoint))
    delta = {
        "aws_access_key_id": "test-key",
        "aws_secret_access_key": "test-secret",
        "aws_region": "us-east-1",
        "aws_endpoint_url": endpoint,
        "aws_allow_http": "true",
    }
    iceberg = {
        "s3.endpoint": endpoint,
        "s3.region": "us-east-1",
        "s3.access-key-id": "test-key",
        "s3.secret-access-key": "test-secret",
    }
    return lake(kind, folder, f"s3://tennis/{kind}/{folder.name}", delta=delta, iceberg=iceberg)


def _publish(there: Lake, manifests: list[Manifest], generation: int) -> Any:
    return publish(manifests, there.output, generation, "test", there.table).changes


@pytest.mark.parametrize("kind", KINDS)
def test_runs_are_versions_in_turn(scored: dict[int, list[Manifest]], server: str, tmp_path: Path, kind: str) -> None:
    import polars as pl

    with _lake(kind, tmp_path, server) as there:
        first = _publish(there, scored[20], 10)
        assert _publish(there, scored[30][:1], 20).replaced == ["p=1"]
        with pytest.raises(GateError, match="newer scores: p=1 by dag/20"):
            _publish(there, scored[20], 15)
        assert (there.rows(), there.rows(first.version)) == ({1: 30, 2: 20}, {1: 20, 2: 20})
        if kind == "delta":
            frame = pl.read_delta(there.output, storage_options=dict(there.options))
            assert dict(frame.group_by("p").len().rows()) == {1: 30, 2: 20}


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_commits_at_once_one_is_decided_again(
    scored: dict[int, list[Manifest]], server: str, tmp_path: Path, kind: str
) -> None:
    with _lake(kind, tmp_path, server) as there:
        _publish(there, scored[20], 10)
        place = Location(there.output, "test")
        target = target_of(place, there.table)
        overtaken = [True]

        class Slow(type(target)):  # type: ignore[misc]
            def commit(self, commit: Any) -> str:
                if overtaken:
                    overtaken.clear()
                    _publish(there, scored[30][1:], 30)
                version: str = super().commit(commit)
                return version

        generations = dict.fromkeys(("p=1", "p=2"), 20)
        slow = Slow(place, there.table)
        assert slow.publish(scored[30][:1], Publication("dag/20", generations)).replaced == ["p=1"]
        assert there.rows() == {1: 30, 2: 30}
        overtaken.append(True)
        with pytest.raises(GateError, match="newer scores: p=2 by dag/30"):
            slow.publish(scored[20], Publication("dag/20", generations))
        assert there.rows() == {1: 30, 2: 30}


class _Unconditional(http.server.BaseHTTPRequestHandler):
    """A store that does not know If-None-Match: it hands everything else on to the real one."""

    protocol_version = "HTTP/1.1"
    target = ""

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "if-none-match"}
        request = urllib.request.Request(  # noqa: S310 - a server on this machine
            self.target + self.path, body or None, headers, method=self.command
        )
        try:
            answer = urllib.request.urlopen(request, timeout=30)  # noqa: S310
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            data = answer.read()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                    self.send_header(name, value)
            length = answer.headers["Content-Length"] if self.command == "HEAD" else str(len(data))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward  # noqa: N815 - its names

    def log_message(self, *_: Any) -> None:
        pass


def test_a_store_that_writes_over_what_is_there_is_refused(
    scored: dict[int, list[Manifest]], server: str, tmp_path: Path
) -> None:
    handler = type("Handler", (_Unconditional,), {"target": server})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            with (
                _lake("delta", tmp_path, f"http://127.0.0.1:{proxy.server_port}") as there,
                pytest.raises(OutputError, match="ignores If-None-Match and writes over files"),
            ):
                _publish(there, scored[20], 10)
        finally:
            proxy.shutdown()
