"""What another user of the machine can do with the Dask clusters that a task starts. As root, the intruder is one."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import distributed
import psutil
import pytest
from commands import run_command

from airflow_batchscore import DaskCluster
from airflow_batchscore.engine.local_cluster import local_cluster

pytestmark = [pytest.mark.unit, pytest.mark.slow]

#: Tries to run code on a scheduler, with no key and with one of its own, and prints which worked.
_JOIN = """
import asyncio, os, sys
import distributed
from distributed.protocol.pickle import dumps

def run_there(address, security):
    connection = security.get_connection_args("client") if security else {}

    async def run():
        async with distributed.rpc(address, connection_args=connection, timeout=5) as scheduler:
            await scheduler.run_function(function=dumps(os.getpid), args=dumps(()), kwargs=dumps({}))

    asyncio.run(run())

def attempt(address, security):
    try:
        run_there(address, security)
    except Exception as error:
        return type(error).__name__
    return "in"

if __name__ == "__main__":
    port = sys.argv[1].rpartition(":")[2]
    own = distributed.Security.temporary()
    with distributed.LocalCluster(n_workers=0, processes=False, security=own, dashboard_address=":0") as practice:
        run_there(practice.scheduler_address, own)  # loads all modules: that user may not read their files
    if not os.getuid():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    for scheme, security in (("tcp", None), ("tls", None), ("tls", own)):
        print(attempt(f"{scheme}://127.0.0.1:{port}", security))
"""

#: Says to each port what a browser would and what a Dask client without a certificate would; prints what came back.
_ASK = """
import json, os, socket, ssl, sys

def exchange(stream, what):
    with stream:
        stream.sendall(what)
        head, _, body = stream.makefile("rb").read(10_000).decode(errors="replace").partition("\\r\\n\\r\\n")
        return head.partition("\\r")[0] + body

def plain(port, path):
    return exchange(socket.create_connection(("127.0.0.1", port), 5), f"GET {path} HTTP/1.0\\r\\n\\r\\n".encode())

def encrypted(port, path):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return exchange(context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5)), b"hello")

"".encode("idna")  # loads a module: that user may not read its file
if not os.getuid():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
paths = ["/", "/info/main/workers.html", "/json/identity.json", "/metrics", "/health", "/sitemap.json", "/status"]
answers = set()
for port in map(int, sys.argv[1:]):
    for ask, path in [(encrypted, ""), *((plain, path) for path in paths)]:
        try:
            answers.add(ask(port, path))
        except OSError:  # ssl.SSLError is one
            answers.add("refused")
print(json.dumps(sorted(answers)))
"""


def _intrude(script: str, *arguments: str) -> str:
    return run_command(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=120, check=True
    ).stdout


@pytest.fixture(scope="module")
def client() -> Iterator[distributed.Client]:
    with local_cluster(2, 1, 1 << 30) as client:
        yield client


def _family() -> list[psutil.Process]:
    return [psutil.Process(), *psutil.Process().children(recursive=True)]


#: A process of an earlier test may end while it is asked.
_ENDED = (psutil.NoSuchProcess, FileNotFoundError)


def _listening() -> set[Any]:
    addresses: set[Any] = set()
    for process in _family():
        with contextlib.suppress(*_ENDED):
            connections = process.net_connections("inet")
            addresses.update(c.laddr for c in connections if c.status == psutil.CONN_LISTEN)
    return addresses


def test_who_has_no_key_or_another_runs_nothing(client: distributed.Client) -> None:
    assert "in" not in _intrude(_JOIN, client.scheduler.address).split()
    assert client.submit(sum, [1, 2]).result() == 3


def test_the_intruder_of_these_tests_gets_into_an_open_cluster() -> None:
    with distributed.LocalCluster(n_workers=0, processes=False, protocol="tcp://", dashboard_address=":0") as cluster:
        assert _intrude(_JOIN, cluster.scheduler_address).split()[0] == "in"


def test_every_socket_of_the_cluster_asks_for_a_certificate_or_serves_nothing() -> None:
    before = _listening()  # of other tests in this process
    with local_cluster(2, 1, 1 << 30):
        addresses = _listening() - before
        answers = json.loads(_intrude(_ASK, *(str(address.port) for address in addresses)))
    assert {address.ip for address in addresses} == {"127.0.0.1"}
    assert len(addresses) >= 8  # scheduler, two nannies and two workers, and the HTTP servers that Dask insists on
    assert set(answers) == {
        "HTTP/1.1 404 Not Found<html><title>404: Not Found</title><body>404: Not Found</body></html>",
        'HTTP/1.1 200 OK{"paths": ["/sitemap.json"]}',
        "refused",
    }


def _places(dask_worker: Any) -> list[str]:
    return [dask_worker.address, dask_worker.nanny, dask_worker.scheduler.address]


def test_all_channels_are_encrypted(client: distributed.Client) -> None:
    places = [place for worker in client.run(_places).values() for place in worker]
    assert {place.partition("://")[0] for place in [client.scheduler.address, *places]} == {"tls"}


def test_the_key_is_in_no_argument_and_no_environment_of_a_process(client: distributed.Client) -> None:
    shown = {}
    for process in _family()[1:]:
        with contextlib.suppress(*_ENDED):
            shown[process.pid] = f"{process.cmdline()}{process.environ()}"
    workers = set(client.run(os.getpid).values())
    assert len(workers) == 2
    assert workers <= set(shown)
    assert not [text for text in shown.values() if "PRIVATE KEY" in text]


_WATCH_KEYS = """
import os, stat, sys
from pathlib import Path
from airflow_batchscore.engine.local_cluster import local_cluster

folders = {}

def watch(event, arguments):
    if event == "open" and str(arguments[0]).endswith("dask.pem"):
        folder = os.path.dirname(arguments[0])
        folders[folder] = stat.S_IMODE(os.stat(folder).st_mode)

if __name__ == "__main__":
    os.umask(0)
    sys.addaudithook(watch)
    with local_cluster(1, 1, 1 << 30):
        print({oct(mode) for mode in folders.values()}, any(Path(folder).exists() for folder in folders))
"""


def test_the_key_is_a_file_only_for_a_moment_and_where_nobody_else_can_look() -> None:
    assert _intrude(_WATCH_KEYS).strip() == "{'0o700'} False"


def _importable(name: str) -> bool:
    importlib.invalidate_caches()
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("started", ["by LocalDask", "by DaskCluster"])
def test_a_scratch_folder_that_somebody_else_made_is_not_imported_from(
    started: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "dask-scratch-space"
    shared.mkdir()
    (shared / "planted_module.py").touch()
    shared.chmod(0o777)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    before = list(sys.path)
    options = {"n_workers": 1, "processes": False}
    own = DaskCluster(cluster="distributed.LocalCluster", cluster_kwargs=options)
    with local_cluster(1, 1, 1 << 30) if started == "by LocalDask" else own.client() as client:
        assert client.submit(_importable, "planted_module").result() is False
        assert not _importable("planted_module")
        assert [oct(path.stat().st_mode & 0o777) for path in tmp_path.glob("batchscore-*")] == ["0o700"]
    assert sys.path == before
    assert [path.name for path in tmp_path.iterdir()] == ["dask-scratch-space"]


def test_a_local_cluster_that_a_dag_names_has_a_key_of_its_own() -> None:
    options = {"n_workers": 1, "processes": False, "protocol": "tcp://", "security": None}
    with DaskCluster(cluster="distributed.LocalCluster", cluster_kwargs=options).client() as client:
        address = client.scheduler.address
        assert address.startswith("tls://")
        assert "in" not in _intrude(_JOIN, address).split()
        assert client.submit(sum, [1, 2]).result() == 3


def test_nothing_of_a_cluster_listens_when_it_is_gone() -> None:
    before = _listening()  # of other tests in this process
    with local_cluster(1, 1, 1 << 30):
        assert _listening() - before
    assert not _listening() - before
