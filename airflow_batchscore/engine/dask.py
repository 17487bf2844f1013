"""`DaskCluster`: blocks on a Dask cluster that is there, or that one of Dask's deployers starts for the task."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_batchscore.data import s3
from airflow_batchscore.engine.cluster import private_channel, private_folder, without_http
from airflow_batchscore.engine.dispatch import run_on
from airflow_batchscore.engine.versions import Checked
from airflow_batchscore.engine.watch import Watch, within
from airflow_batchscore.errors import EngineError, InputError
from airflow_batchscore.model.functions import import_path

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)
R = TypeVar("R")

_CONNECT_SECONDS = 30
_CLOSE_SECONDS = 10
_CLUSTER_CLOSE_SECONDS = 60
#: Blocks that the scheduler knows of at once: enough for it to scale by, and few to call back after an error.
_IN_FLIGHT = 1000
_TLS = ("tls_ca_file", "tls_client_cert", "tls_client_key")


@dataclass(frozen=True)
class DaskCluster:
    """Scores on a Dask cluster: a scheduler that is there, or one started for the task.

    The scheduler and the workers need this package without Airflow (``pip install airflow-batchscore[worker]``), in the
    task's version, and must reach the data, the model and the output under the same URIs.

    Give one of `address`, `conn_id` and `cluster`.

    Args:
        address: of a scheduler, ``tcp://host:8786``.
        conn_id: Airflow connection with the host and port of a scheduler; its extra may hold `tls`.
        cluster: import path of a deployer, such as ``dask_kubernetes.operator.KubeCluster``; started for the task when
            there is a block to score, and closed with it. ``distributed.LocalCluster`` gets a key of its own; others
            take what secures them from `cluster_kwargs`.
        cluster_kwargs: arguments of the deployer.
        adapt: least and most workers of the deployer's cluster; ``(0, n)`` scales to nothing when there is no work.
        tls: paths ``tls_ca_file``, ``tls_client_cert`` and ``tls_client_key``, for a ``tls://`` address.
        share_credentials: send the storage credentials of the task's connections to the workers, over a ``tls://``
            address only: who can connect to another scheduler could read them. Otherwise workers use their own
            identity.
        patience: seconds that the scheduler may be silent, or without any worker, until the task fails (and follows its
            `retries`). Long enough for workers that must be started first.
    """

    address: str | None = None
    conn_id: str | None = None
    cluster: str | None = None
    cluster_kwargs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    adapt: tuple[int, int] | None = None
    tls: Mapping[str, str] | None = None
    share_credentials: bool = False
    patience: float = 600

    def __post_init__(self) -> None:
        given = [name for name in ("address", "conn_id", "cluster") if getattr(self, name)]
        if len(given) != 1:
            raise InputError(f"DaskCluster: give one of address, conn_id and cluster, not {given or 'none'}")
        if self.patience <= 0:
            raise InputError(f"DaskCluster(patience={self.patience!r}): give seconds, more than 0")
        if self.adapt is not None:
            least, most = self.adapt
            if not self.cluster or not 0 <= least <= most or not most:
                raise InputError(
                    f"DaskCluster(adapt={self.adapt!r}): give least and most workers, and cluster= to have something "
                    "to scale"
                )

    def describe(self) -> dict[str, Any]:
        return {"engine": "DaskCluster", "address": self.address, "cluster": self.cluster, "adapt": self.adapt}

    def connected(self, host: str, port: int | None, extra: Mapping[str, Any]) -> DaskCluster:
        """With the address of an Airflow connection in place of `conn_id`."""
        tls = {name: str(extra[name]) for name in _TLS if name in extra} or self.tls
        return replace(self, conn_id=None, address=f"{'tls' if tls else 'tcp'}://{host}:{port or 8786}", tls=tls)

    @contextlib.contextmanager
    def session(self, slots: int = 1) -> Iterator[_Session]:
        with contextlib.ExitStack() as resources:
            yield _Session(self, resources)

    @contextlib.contextmanager
    def client(self, slots: int = 1) -> Iterator[Client]:
        """A client of the cluster, for what training spreads over it."""
        with contextlib.ExitStack() as resources:
            yield _Session(self, resources).connect_to_workers()


class _Session:
    """Connects when there is something to score."""

    block_memory = None  # workers come and go, and differ

    def __init__(self, engine: DaskCluster, resources: contextlib.ExitStack) -> None:
        self._engine = engine
        self._resources = resources
        self._client: Client | None = None

    def run(
        self, function: Callable[..., R], arguments: Sequence[tuple[Any, ...]], *, remote: bool = False
    ) -> Iterator[R]:
        if self._client is None:
            self._client = self.connect()
        try:
            watch = self._watch(self._client)
            watch.check()
            yield from run_on(self._client, Checked.of(function), arguments, in_flight=_IN_FLIGHT, watch=watch)
        except ImportError as error:
            raise EngineError(
                f"the Dask scheduler or a worker cannot import what it needs: {error}. Install "
                "'airflow-batchscore[worker]' and the modules of the recipe and the estimator there"
            ) from error

    def connect(self) -> Client:
        """A client, closed with the session."""
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
        self._resources.callback(_let_go, lambda: client.close(timeout=_CLOSE_SECONDS))
        if engine.share_credentials and s3.registered():
            _check_encrypted(client.scheduler.address)
            from airflow_batchscore.engine.connections_plugin import ConnectionsPlugin

            plugin = ConnectionsPlugin(s3.registered())
            client.register_plugin(plugin)
            self._resources.callback(_let_go, lambda: client.unregister_worker_plugin(plugin.name))
        log.info("Dask scheduler %s: dashboard %s", self._name, client.dashboard_link)
        return client

    def connect_to_workers(self) -> Client:
        """`connect`, and a worker at least; those that come when there is work are not waited for."""
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

    def _start(self) -> Any:
        from distributed import LocalCluster

        engine = self._engine
        module, _, name = str(engine.cluster).replace(":", ".").rpartition(".")
        deployer = import_path(f"{module}:{name}")
        options = dict(engine.cluster_kwargs)
        if isinstance(deployer, type) and issubclass(deployer, LocalCluster):
            self._resources.enter_context(private_folder())
            options = {**without_http(), **options, **private_channel()}
        cluster = deployer(**options)
        self._resources.callback(_close, cluster)
        if engine.adapt:
            cluster.adapt(minimum=engine.adapt[0], maximum=engine.adapt[1])
        return cluster


def _check_encrypted(address: str) -> None:
    """Raises EngineError where others could read what is sent: with ``tls://`` Dask always asks for a certificate."""
    if not address.startswith("tls://"):
        raise EngineError(
            f"DaskCluster(share_credentials=True): {address} is not encrypted, and whoever can connect to it could "
            "read the storage credentials. Give a tls:// address and tls= (or a connection with tls_ca_file, "
            "tls_client_cert and tls_client_key in its extra), or let workers use an identity of their own"
        )


def _let_go(call: Callable[[], Any]) -> None:
    """Of a scheduler that may no longer answer."""
    try:
        within(_CLOSE_SECONDS, call)
    except OSError as error:
        log.warning("the Dask scheduler did not say goodbye: %s: %s", type(error).__name__, error)


def _close(cluster: Any) -> None:
    """Deployers differ in whether their close takes or has a time limit."""
    closing = threading.Thread(target=cluster.close, name="batchscore-close", daemon=True)
    closing.start()
    closing.join(_CLUSTER_CLOSE_SECONDS)
    if closing.is_alive():
        log.warning("%s did not close in %d s; see that nothing of it is left", cluster, _CLUSTER_CLOSE_SECONDS)
