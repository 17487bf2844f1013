"""`DaskCluster`: runs blocks on an existing Dask cluster, or on one that a Dask deployer starts for the task."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.storage import credentials
from airflow_batchscore.engine.base import Arguments, Capacity, Engine
from airflow_batchscore.engine.dashboard import announce
from airflow_batchscore.engine.dispatch import run_on
from airflow_batchscore.engine.local_cluster import http_on_loopback, private_channel, private_folder
from airflow_batchscore.engine.remote import RemoteSession, cannot_import
from airflow_batchscore.engine.rerun import call_again
from airflow_batchscore.engine.watch import Watch, within
from airflow_batchscore.errors import EngineError, InputError
from airflow_batchscore.model.functions import import_path

if TYPE_CHECKING:
    from distributed import Client
    from distributed.deploy import Cluster

log = logging.getLogger(__name__)
R = TypeVar("R")

_CONNECT_SECONDS = 30
_CLOSE_SECONDS = 10
_CLUSTER_CLOSE_SECONDS = 60
#: Blocks known to the scheduler at once: enough for it to scale by, and few to cancel after an error.
_IN_FLIGHT = 1000
#: Host and port, of a scheme that has them.
_ADDRESS = re.compile(r"(?:(?:tcp|tls|wss?)://)?[^/\s]+:\d+/?|(?!(?:tcp|tls|wss?):)\w+://\S+")
_TLS = ("tls_ca_file", "tls_client_cert", "tls_client_key")


@dataclass(frozen=True)
class DaskCluster(Engine):
    """Scores on a Dask cluster: an existing scheduler, or a cluster started for the task.

    The scheduler and the workers need this package without Airflow (``pip install airflow-batchscore[worker]``), in the
    task's version, and must reach the data, the model and the output under the same URIs.

    Give one of `address`, `conn_id` and `cluster`.

    Args:
        address: of a scheduler, ``tcp://host:8786``.
        conn_id: Airflow connection with the host and port of a scheduler; its extra may hold `tls`.
        cluster: import path of a deployer, such as ``dask_kubernetes.operator.KubeCluster``; started for the task once
            there is a block to score, and closed with it. ``distributed.LocalCluster`` gets its own key; others get
            their security settings from `cluster_kwargs`.
        cluster_kwargs: arguments of the deployer.
        adapt: minimum and maximum workers of the deployer's cluster; ``(0, n)`` scales to zero when there is no work.
        tls: paths ``tls_ca_file``, ``tls_client_cert`` and ``tls_client_key``, for a ``tls://`` address.
        share_credentials: send the storage credentials of the task's connections to the workers, only over a ``tls://``
            address: anyone who can connect to another scheduler could read them. Otherwise workers use their own
            identity.
        patience: seconds that the scheduler may be silent, or without any worker, before the task fails (and follows
            its `retries`). Allow enough time for workers that must be started first.
    """

    address: str | None = None
    conn_id: str | None = None
    cluster: str | None = None
    cluster_kwargs: Mapping[str, object] = field(default_factory=dict, repr=False)
    adapt: tuple[int, int] | None = None
    tls: Mapping[str, str] | None = None
    share_credentials: bool = False
    patience: float = 600

    def __post_init__(self) -> None:
        given = [name for name in ("address", "conn_id", "cluster") if getattr(self, name)]
        if len(given) != 1:
            raise InputError(f"DaskCluster: give one of address, conn_id and cluster, not {given or 'none'}")
        if self.address and "{{" not in self.address and not _ADDRESS.fullmatch(self.address):
            raise InputError(
                f"DaskCluster(address={self.address!r}): give the scheduler's host and port, such as 'tcp://host:8786'"
            )
        if self.patience <= 0:
            raise InputError(f"DaskCluster(patience={self.patience!r}): give seconds, more than 0")
        if self.adapt is not None:
            least, most = self.adapt
            if not self.cluster or not 0 <= least <= most or not most:
                raise InputError(
                    f"DaskCluster(adapt={self.adapt!r}): give least and most workers, and cluster= to have something "
                    "to scale"
                )

    def describe(self) -> JsonObject:
        return {"engine": "DaskCluster", "address": self.address, "cluster": self.cluster, "adapt": self.adapt}

    def capacity(self, slots: int = 1) -> Capacity:
        return Capacity(f"DaskCluster, {self.address or self.cluster}")

    @property
    def has_dashboard(self) -> bool:
        return True

    def connected(self, host: str, port: int | None, extra: Mapping[str, object]) -> DaskCluster:
        """With the address from an Airflow connection in place of `conn_id`."""
        tls = {name: str(extra[name]) for name in _TLS if name in extra} or self.tls
        return replace(self, conn_id=None, address=f"{'tls' if tls else 'tcp'}://{host}:{port or 8786}", tls=tls)

    def session(self, slots: int = 1) -> _Session:
        return _Session(self)

    @contextlib.contextmanager
    def client(self, slots: int = 1) -> Iterator[Client]:
        """A client of the cluster, for training to distribute work with."""
        with _Session(self) as session:
            yield session.connect_to_workers()


class _Session(RemoteSession["Client"]):
    def __init__(self, engine: DaskCluster) -> None:
        super().__init__()
        self._engine = engine

    def dispatch(self, connection: Client, function: Callable[..., R], arguments: Arguments) -> Iterator[R]:
        try:
            watch = self._watch(connection)
            watch.check()
            yield from run_on(connection, partial(call_again, function), arguments, lambda: _IN_FLIGHT, watch)
        except ImportError as error:
            raise cannot_import("the Dask scheduler or a worker", error) from error

    def connect(self) -> Client:
        import distributed

        engine = self._engine
        security = distributed.Security(require_encryption=True, **engine.tls) if engine.tls else None
        target = self._start() if engine.cluster else engine.address
        seconds = min(_CONNECT_SECONDS, engine.patience)
        log.info("connecting to the Dask scheduler %s, for at most %.0f s", self._name, seconds)

        def connect() -> Client:
            return distributed.Client(target, timeout=seconds, set_as_default=False, security=security)

        try:
            client = within(seconds + 1, connect)
        except OSError as error:
            raise OSError(
                f"no Dask scheduler answers at {self._name}: {error or f'nothing for {seconds:.0f} s'}. Is it up, and "
                "may this machine reach it?"
            ) from error
        self.resources.callback(_let_go, lambda: client.close(timeout=_CLOSE_SECONDS))
        if engine.share_credentials and credentials.registered():
            _check_encrypted(client.scheduler.address)
            from airflow_batchscore.engine.connections_plugin import ConnectionsPlugin

            plugin = ConnectionsPlugin(credentials.registered())
            client.register_plugin(plugin)
            self.resources.callback(_let_go, lambda: client.unregister_worker_plugin(plugin.name))
        if not isinstance(target, distributed.LocalCluster):  # which has none
            log.info("Dask scheduler %s: dashboard %s", self._name, client.dashboard_link)
            announce(client.dashboard_link)
        return client

    def connect_to_workers(self) -> Client:
        """`connect`, with at least one worker; does not wait for workers that only start when there is work."""
        client = self.connect()
        watch = self._watch(client)
        while not self._engine.adapt and not watch.check():
            time.sleep(watch.seconds)
        return client

    def _watch(self, client: Client) -> Watch:
        return Watch(client, self._name, self._engine.patience)

    @property
    def _name(self) -> str:
        return str(self._engine.address or self._engine.cluster)

    def _start(self) -> Cluster:
        from distributed import LocalCluster

        engine = self._engine
        module, _, name = str(engine.cluster).replace(":", ".").rpartition(".")
        deployer = import_path(f"{module}:{name}")
        options = dict(engine.cluster_kwargs)
        if isinstance(deployer, type) and issubclass(deployer, LocalCluster):
            self.resources.enter_context(private_folder())
            options = {**http_on_loopback(), **options, **private_channel()}
        cluster = deployer(**options)
        self.resources.callback(_close, cluster)
        if engine.adapt:
            cluster.adapt(minimum=engine.adapt[0], maximum=engine.adapt[1])
        return cluster


def _check_encrypted(address: str) -> None:
    """Raise EngineError if others could read what is sent; with ``tls://``, Dask always requires a certificate."""
    if not address.startswith("tls://"):
        raise EngineError(
            f"DaskCluster(share_credentials=True): {address} is not encrypted, and whoever can connect to it could "
            "read the storage credentials. Give a tls:// address and tls= (or a connection with tls_ca_file, "
            "tls_client_cert and tls_client_key in its extra), or let workers use an identity of their own"
        )


def _let_go(call: Callable[[], object]) -> None:
    """Make a closing call to a scheduler that may no longer answer."""
    try:
        within(_CLOSE_SECONDS, call)
    except OSError as error:
        log.warning(
            "the Dask scheduler did not answer when the connection was closed: %s: %s", type(error).__name__, error
        )


def _close(cluster: Cluster) -> None:
    """Deployers differ in whether their close accepts or has a time limit."""
    closing = threading.Thread(target=cluster.close, name="batchscore-close", daemon=True)
    closing.start()
    closing.join(_CLUSTER_CLOSE_SECONDS)
    if closing.is_alive():
        log.warning(
            "%s did not close within %d s; check that none of its processes are left", cluster, _CLUSTER_CLOSE_SECONDS
        )
