"""`DaskCluster`: its settings, and clusters that it starts itself. `tests/production` has servers of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import distributed
import pytest
from support import good_rows, scores, small

from airflow_batchscore import DaskCluster
from airflow_batchscore.data import s3
from airflow_batchscore.errors import BatchScoreError, InputError, RecipeError
from airflow_batchscore.quality.quarantine import Limit

pytestmark = pytest.mark.unit

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
    return s3.registered()


@pytest.fixture
def workers() -> Iterator[distributed.Client]:
    """A cluster that lives longer than a task: one worker process."""
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", **QUIET) as cluster,
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
    workers: distributed.Client,
) -> None:
    options = {"access_key": "a", "secret_key": "b"}
    s3.register("test", options)
    address = workers.cluster.scheduler_address
    with ExitStack() as alone:
        _use(DaskCluster(address=address), alone)
        assert _known_to(workers) is None
    with ExitStack() as first:
        _use(DaskCluster(address=address, share_credentials=True), first)
        with ExitStack() as second:
            _use(DaskCluster(address=address, share_credentials=True), second)
            first.close()
            assert _known_to(workers) == options
        assert _known_to(workers) is None


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"address": "tcp://x:1", "cluster": "a.b"},
        {"address": "tcp://x:1", "adapt": (0, 2)},
        {"cluster": "a.b", "adapt": (3, 2)},
        {"cluster": "a.b", "adapt": (0, 0)},
    ],
)
def test_settings_that_do_not_fit_together_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="DaskCluster"):
        DaskCluster(**options)


def test_an_airflow_connection_gives_the_address_and_tls() -> None:
    engine = DaskCluster(conn_id="dask", share_credentials=True)
    assert engine.connected("host", None, {}).address == "tcp://host:8786"
    extra = {"tls_ca_file": "/ca.pem", "other": 1}
    secure = engine.connected("host", 99, extra)
    assert (secure.address, secure.tls) == ("tls://host:99", {"tls_ca_file": "/ca.pem"})
    assert secure.share_credentials
