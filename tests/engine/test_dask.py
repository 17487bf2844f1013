"""`DaskCluster`: its settings, and clusters that it starts itself. `tests/production` has servers of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import distributed
import pytest
from commands import start_command
from support import good_rows, scores, small

from airflow_batchscore import DaskCluster
from airflow_batchscore.data.storage import credentials
from airflow_batchscore.errors import BatchScoreError, EngineError, InputError, RecipeError
from airflow_batchscore.quality.quarantine import Limit

pytestmark = [pytest.mark.unit, pytest.mark.slow]

QUIET = {"dashboard_address": None, "scheduler_kwargs": {"dashboard": False}}


class Watched(distributed.LocalCluster):
    """A deployer that remembers what was done with it."""

    log: list[Any] = []  # noqa: RUF012 - one for all, as tests ask the class

    def adapt(self, *args: Any, **kwargs: Any) -> Any:
        self.log.append(("adapt", kwargs))
        return super().adapt(*args, **kwargs)

    def close(self, *args: Any, **kwargs: Any) -> Any:
        self.log.append("closed")
        return super().close(*args, **kwargs)


@pytest.fixture
def engine() -> DaskCluster:
    Watched.log.clear()
    options = {"processes": False, "n_workers": 0, **QUIET}
    return DaskCluster(cluster="test_dask.Watched", cluster_kwargs=options, adapt=(0, 2))


def test_a_deployers_cluster_is_started_scaled_from_zero_and_closed(tmp_path: Path, engine: DaskCluster) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(300, 1000))
    ((manifest, _),) = data.score(1, block_rows=50, engine=engine)
    assert scores(manifest)["id"].tolist() == list(range(1000, 1300))
    assert Watched.log[0] == ("adapt", {"minimum": 0, "maximum": 2})
    assert "closed" in Watched.log
    assert manifest.engine == {
        "engine": "DaskCluster",
        "address": None,
        "cluster": "test_dask.Watched",
        "adapt": (0, 2),
    }


def test_a_deployers_cluster_is_closed_when_scoring_fails(tmp_path: Path, engine: DaskCluster) -> None:
    data = small(tmp_path)
    data.add(1, [(n, "x", 1, 0) for n in range(50)])
    with pytest.raises(BatchScoreError, match="more than quarantine=3 allows"):
        data.score(1, limit=Limit(3), engine=engine)
    assert "closed" in Watched.log


def test_a_deployer_that_is_not_installed_is_named(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(50))
    with pytest.raises(RecipeError, match=r"'dask_nowhere:Cluster' cannot be imported here"):
        data.score(1, engine=DaskCluster(cluster="dask_nowhere.Cluster"))


def _registered(dask_worker: Any) -> Any:
    return credentials.registered()


@pytest.fixture
def security() -> distributed.Security:
    return distributed.Security.temporary()


@pytest.fixture
def tls(security: distributed.Security, tmp_path: Path) -> dict[str, str]:
    """The client's side of it in files, as a DAG names them."""
    names = ("tls_ca_file", "tls_client_cert", "tls_client_key")
    for name in names:
        (tmp_path / name).write_text(getattr(security, name))
    return {name: str(tmp_path / name) for name in names}


@pytest.fixture
def workers(security: distributed.Security) -> Iterator[distributed.Client]:
    """A cluster that lives longer than a task: one worker process."""
    options = {"n_workers": 1, "threads_per_worker": 1, "host": "127.0.0.1", "security": security, **QUIET}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _known_to(workers: distributed.Client) -> Any:
    (there,) = workers.run(_registered).values()
    return there.get("test")


def _use(engine: DaskCluster, sessions: ExitStack) -> None:
    session = sessions.enter_context(engine.session())
    assert list(session.run(len, [("abc",)])) == [3]


def test_credentials_go_to_workers_when_asked_to_and_stay_until_the_last_task_is_done(
    workers: distributed.Client, tls: dict[str, str]
) -> None:
    options = {"access_key": "a", "secret_key": "b"}
    credentials.register("test", options)
    address = workers.cluster.scheduler_address
    with ExitStack() as alone:
        _use(DaskCluster(address=address, tls=tls), alone)
        assert _known_to(workers) is None
    with ExitStack() as first:
        _use(DaskCluster(address=address, tls=tls, share_credentials=True), first)
        with ExitStack() as second:
            _use(DaskCluster(address=address, tls=tls, share_credentials=True), second)
            first.close()
            assert _known_to(workers) == options
        assert _known_to(workers) is None


def test_credentials_do_not_go_where_others_could_read_them(empty: distributed.LocalCluster) -> None:
    credentials.register("test", {"access_key": "a", "secret_key": "canary"})
    engine = DaskCluster(address=empty.scheduler_address, share_credentials=True)
    with (
        engine.session() as session,
        pytest.raises(EngineError, match=r"127\.0\.0\.1.* is not encrypted.*identity") as no,
    ):
        list(session.run(len, [("abc",)]))
    assert "canary" not in str(no.value)
    assert not [name for name in empty.scheduler.worker_plugins if name.startswith("batchscore")]


@pytest.fixture
def empty() -> Iterator[distributed.LocalCluster]:
    with distributed.LocalCluster(
        n_workers=0, processes=False, protocol="tcp://", host="127.0.0.1", **QUIET
    ) as cluster:
        yield cluster


_ALONE = """
import sys, time
from distributed import LocalCluster
place = {"protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": None, "scheduler_kwargs": {"dashboard": False}}
if __name__ == "__main__":
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **place)
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def alone() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A scheduler with a worker in a process of its own, which can be stopped: its address and the process."""
    process = start_command([sys.executable, "-c", _ALONE], stdin=-1, stdout=-1, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.communicate()


def test_a_scheduler_that_is_stopped_is_an_error_not_a_hang(alone: tuple[str, subprocess.Popen[str]]) -> None:
    address, process = alone
    process.send_signal(signal.SIGSTOP)
    with (
        DaskCluster(address=address, patience=1).session() as session,
        pytest.raises(OSError, match="no Dask scheduler"),
    ):
        list(session.run(len, [("abc",)]))


def test_a_scheduler_that_is_stopped_in_mid_run_is_said_and_then_an_error(
    alone: tuple[str, subprocess.Popen[str]], caplog: pytest.LogCaptureFixture
) -> None:
    address, process = alone
    with DaskCluster(address=address, patience=2).session() as session:
        results = session.run(time.sleep, [(0.05,)] * 100)
        assert next(results) is None
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(OSError, match=f"{address} does not answer, for 2 s"):
            list(results)
    assert f"the Dask scheduler {address} does not answer: waiting, at most 2 s" in caplog.messages


def test_a_scheduler_that_goes_on_in_time_loses_nothing(alone: tuple[str, subprocess.Popen[str]]) -> None:
    address, process = alone
    with DaskCluster(address=address, patience=60).session() as session:
        results = session.run(time.sleep, [(0.01,)] * 100)
        assert next(results) is None
        process.send_signal(signal.SIGSTOP)
        threading.Timer(1, process.send_signal, [signal.SIGCONT]).start()
        assert len(list(results)) == 99


def test_a_cluster_without_workers_is_said_at_once_and_is_an_error_after_a_while(
    empty: distributed.LocalCluster, caplog: pytest.LogCaptureFixture
) -> None:
    address = empty.scheduler_address
    engine = DaskCluster(address=address, patience=1)
    with engine.session() as session, pytest.raises(OSError, match="has no worker, for 1 s. Start it, or workers"):
        list(session.run(len, [("abc",)]))
    assert f"the Dask scheduler {address} has no worker: waiting, at most 1 s" in caplog.messages
    with pytest.raises(OSError, match="has no worker"), engine.client():
        pass


def test_workers_that_come_in_time_do_the_work(empty: distributed.LocalCluster) -> None:
    engine = DaskCluster(address=empty.scheduler_address, patience=60)
    threading.Timer(0.5, empty.scale, [1]).start()
    with engine.session() as session:
        assert list(session.run(len, [("abc",)])) == [3]
    with engine.client() as client:
        assert client.nthreads()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"address": "nonsense"},
        {"address": "tcp://host"},
        {"address": "tcp://x:1", "patience": 0},
        {"address": "tcp://x:1", "cluster": "a.b"},
        {"address": "tcp://x:1", "adapt": (0, 2)},
        {"cluster": "a.b", "adapt": (3, 2)},
        {"cluster": "a.b", "adapt": (0, 0)},
    ],
)
def test_settings_that_do_not_fit_together_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="DaskCluster"):
        DaskCluster(**options)


@pytest.mark.parametrize("address", ["host:8786", "tls://[::1]:8786", "inproc://10.0.0.1/1/2", "{{ params.dask }}"])
def test_addresses_that_dask_understands_are_taken(address: str) -> None:
    assert DaskCluster(address=address).address == address


def test_an_airflow_connection_gives_the_address_and_tls() -> None:
    engine = DaskCluster(conn_id="dask", share_credentials=True)
    assert engine.connected("host", None, {}).address == "tcp://host:8786"
    extra = {"tls_ca_file": "/ca.pem", "other": 1}
    secure = engine.connected("host", 99, extra)
    assert (secure.address, secure.tls) == ("tls://host:99", {"tls_ca_file": "/ca.pem"})
    assert secure.share_credentials
