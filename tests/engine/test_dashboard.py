"""The dashboard that LocalDask serves on request: where it is, who is told, and that it ends with the session."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import distributed
import psutil
import pytest
from bokeh.util.token import generate_jwt_token, generate_session_id
from commands import run_command
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from airflow_batchscore import DaskCluster, LocalDask
from airflow_batchscore.engine.dashboard import announced_to
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.fixture
def urls() -> Iterator[list[str]]:
    """What is announced while a test runs."""
    announced: list[str] = []
    with announced_to(announced.append):
        yield announced


def _status(url: str) -> int | str:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError as error:
        return type(error.reason).__name__


def _listening() -> set[Any]:
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    connections = [connection for process in processes for connection in process.net_connections("inet")]
    return {connection.laddr for connection in connections if connection.status == psutil.CONN_LISTEN}


def nap(number: int) -> int:
    time.sleep(0.03)
    return number


def test_it_answers_on_loopback_alone_until_the_session_ends(urls: list[str], caplog: pytest.LogCaptureFixture) -> None:
    before = _listening()
    with caplog.at_level("INFO"), LocalDask(workers=2, processes=False, dashboard=True).session() as session:
        assert urls == []  # nothing to score yet, nothing started
        assert list(session.run(nap, [(1,)])) == [1]
        (url,) = urls
        (address,) = _listening() - before
        assert (address.ip, url) == ("127.0.0.1", f"http://localhost:{address.port}/status")
        assert [_status(url.replace("/status", page)) for page in ("/status", "/statics/css/base.css")] == [200, 200]
        assert _status(url.replace("/status", "/info/main/workers.html")) == 200
    assert _status(url) == "ConnectionRefusedError"
    assert f"Dask dashboard: {url}, on this machine alone. From another: ssh -N -L {address.port}:" in caplog.text
    assert caplog.text.rstrip().endswith(socket.gethostname())


def test_nothing_is_served_that_forwards_requests_or_gives_orders(urls: list[str]) -> None:
    with LocalDask(workers=1, processes=False, dashboard=True).session() as session:
        list(session.run(nap, [(1,)]))
        pages = ("/proxy/80/localhost/x", "/api/v1/get_workers", "/json/identity.json", "/metrics")
        assert {_status(urls[0].replace("/status", page)) for page in pages} == {404}


def test_pages_of_other_sites_cannot_read_it(urls: list[str]) -> None:
    async def connect(origin: str) -> int:
        address = urls[0].replace("http:", "ws:") + "/ws"
        token = generate_jwt_token(generate_session_id())
        try:
            connection = await websocket_connect(
                HTTPRequest(address, headers={"Origin": origin}), subprotocols=["bokeh", token]
            )
        except HTTPClientError as error:
            return error.code
        connection.close()
        return 101

    with LocalDask(workers=1, processes=False, dashboard=True).session() as session:
        list(session.run(nap, [(1,)]))
        own = urls[0].removesuffix("/status")
        assert asyncio.run(connect(own)) == 101
        assert asyncio.run(connect("http://elsewhere.example")) == 403


@pytest.mark.slow
def test_of_worker_processes_the_scheduler_alone_has_one(urls: list[str]) -> None:
    before = _listening()
    with LocalDask(workers=1, processes=True, dashboard=True).session() as session:
        list(session.run(nap, [(1,)]))
        addresses = _listening() - before
        assert {address.ip for address in addresses} == {"127.0.0.1"}
        answers = {f"http://localhost:{address.port}/status" for address in addresses if _asks(address.port) == 200}
        assert answers == set(urls)
    assert not _listening() & addresses


def _asks(port: int) -> int | str:
    try:
        return _status(f"http://localhost:{port}/status")
    except OSError as error:  # a port that wants a certificate
        return type(error).__name__


def process(number: int) -> int:
    time.sleep(0.03)
    return os.getpid()


@pytest.mark.slow
def test_after_a_move_to_processes_the_new_one_is_announced_and_the_old_one_closed(
    urls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("CLUSTER_SECONDS", "_CONTENDED", "_ONE_CORE", "_WORTH_IT"):  # any work is then a reason to move
        monkeypatch.setattr(f"airflow_batchscore.engine.probe.{limit}", 0.0)
    with LocalDask(workers=2, dashboard=True).session() as session:
        where = set(session.run(process, [(number,) for number in range(100)]))
        old, new = urls
        assert (_status(old), _status(new)) == ("ConnectionRefusedError", 200)
    assert os.getpid() in where
    assert len(where) > 1


_WITHOUT_BOKEH = """
import sys
sys.modules["bokeh"] = None  # to an import, it is not there
from airflow_batchscore import LocalDask
with LocalDask(dashboard=True).session():
    print("began")
"""


@pytest.mark.slow
def test_without_bokeh_nothing_begins_and_the_message_says_what_to_install() -> None:
    done = run_command([sys.executable, "-c", _WITHOUT_BOKEH], capture_output=True, text=True)
    assert done.stdout == ""
    assert "bokeh" in done.stderr
    assert "InputError: LocalDask(dashboard=True): " in done.stderr
    assert 'Run pip install "airflow-batchscore[dashboard]" where the task runs' in done.stderr


def test_anything_but_true_and_false_is_refused() -> None:
    with pytest.raises(InputError, match="give True or False"):
        LocalDask(dashboard=":8787")  # type: ignore[arg-type]


@pytest.mark.slow
def test_that_of_an_existing_scheduler_is_announced(urls: list[str]) -> None:
    place = {"protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(n_workers=1, processes=False, **place) as cluster:
        with DaskCluster(address=cluster.scheduler_address).session() as session:
            assert list(session.run(abs, [(-1,)])) == [1]
        assert urls == [cluster.dashboard_link]
        assert _status(urls[0]) == 200


@pytest.mark.slow
def test_a_local_cluster_that_a_dag_names_has_none(urls: list[str]) -> None:
    options = {"processes": False, "n_workers": 1}
    with DaskCluster(cluster="distributed.LocalCluster", cluster_kwargs=options).session() as session:
        assert list(session.run(abs, [(-1,)])) == [1]
    assert urls == []
