"""Dask's dashboard: what it serves, and who is told where it is."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

#: What the scheduler serves beside the plots: the pages that they link to. Nothing that changes or forwards anything.
PAGES = ("distributed.http.scheduler.info", "distributed.http.statics")

_tell: ContextVar[Callable[[str], None] | None] = ContextVar("tell", default=None)


@contextlib.contextmanager
def announced_to(tell: Callable[[str], None]) -> Iterator[None]:
    """Call `tell` with the URL of each dashboard that a session in the block has: a session may change clusters."""
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


def announce(url: str) -> None:
    """Tell whoever listens (`announced_to`) where the dashboard of a session is now."""
    tell = _tell.get()
    if tell is not None:
        tell(url)


def announce_local(client: Client) -> None:
    """`announce` the dashboard of a `LocalCluster` of this process, and log how to reach it."""
    port = client.cluster.scheduler.http_server.port
    url = f"http://localhost:{port}/status"
    log.info(
        "Dask dashboard: %s, on this machine alone. From another: ssh -N -L %d:127.0.0.1:%d %s",
        *(url, port, port, socket.gethostname()),
    )
    announce(url)


def require_bokeh() -> None:
    """Raise InputError if Dask cannot show a dashboard here."""
    try:
        import distributed.dashboard.scheduler  # noqa: F401 - Dask itself would start without one
    except ImportError as error:
        raise InputError(
            f'LocalDask(dashboard=True): {error}. Run pip install "airflow-batchscore[dashboard]" where the task runs, '
            "or leave out dashboard="
        ) from error
