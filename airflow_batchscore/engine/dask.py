"""`DaskCluster`: blocks on a Dask cluster that is there, or that one of Dask's deployers starts for the task."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_batchscore.data import s3
from airflow_batchscore.engine.dispatch import run_on
from airflow_batchscore.engine.versions import Checked
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
            there is a block to score, and closed with it.
        cluster_kwargs: arguments of the deployer.
        adapt: least and most workers of the deployer's cluster; ``(0, n)`` scales to nothing when there is no work.
        tls: paths ``tls_ca_file``, ``tls_client_cert`` and ``tls_client_key``, for a ``tls://`` address.
        share_credentials: send the storage credentials of the task's connections to the workers. Only over an
            encrypted or private network; otherwise workers use their own identity.
    """

    address: str | None = None
    conn_id: str | None = None
    cluster: str | None = None
    cluster_kwargs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    adapt: tuple[int, int] | None = None
    tls: Mapping[str, str] | None = None
    share_credentials: bool = False

    def __post_init__(self) -> None:
        given = [name for name in ("address", "conn_id", "cluster") if getattr(self, name)]
        if len(given) != 1:
            raise InputError(f"DaskCluster: give one of address, conn_id and cluster, not {given or 'none'}")
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
            yield _Session(self, resources).connect()


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
            yield from run_on(self._client, Checked.of(function), arguments, in_flight=_IN_FLIGHT)
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
        try:
            client = distributed.Client(target, timeout=_CONNECT_SECONDS, set_as_default=False, security=security)
        except OSError as error:
            raise OSError(
                f"no Dask scheduler answers at {engine.address or engine.cluster}: {error}. Is it up, and may this "
                "machine reach it?"
            ) from error
        self._resources.callback(client.close, timeout=_CLOSE_SECONDS)
        if engine.share_credentials and s3.registered():
            from airflow_batchscore.engine.connections_plugin import ConnectionsPlugin

            plugin = ConnectionsPlugin(s3.registered())
            client.register_plugin(plugin)
            self._resources.callback(client.unregister_worker_plugin, plugin.name)
        log.info("Dask scheduler %s: %d workers; dashboard %s", target, len(client.nthreads()), client.dashboard_link)
        return client

    def _start(self) -> Any:
        engine = self._engine
        module, _, name = str(engine.cluster).replace(":", ".").rpartition(".")
        cluster = import_path(f"{module}:{name}")(**engine.cluster_kwargs)
        self._resources.callback(_close, cluster)
        if engine.adapt:
            cluster.adapt(minimum=engine.adapt[0], maximum=engine.adapt[1])
        return cluster


def _close(cluster: Any) -> None:
    """Deployers differ in whether their close takes or has a time limit."""
    closing = threading.Thread(target=cluster.close, name="batchscore-close", daemon=True)
    closing.start()
    closing.join(_CLUSTER_CLOSE_SECONDS)
    if closing.is_alive():
        log.warning("%s did not close in %d s; see that nothing of it is left", cluster, _CLUSTER_CLOSE_SECONDS)
