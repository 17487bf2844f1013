"""Servers as production has them, each its own process on loopback. `make test-services` installs what they need."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from ceph import Ceph
from servers import DaskServers, SparkServers
from support import ROOT, Small, good_rows, small

logging.getLogger("py4j").setLevel(logging.ERROR)  # it says goodbye after pytest has closed its streams


@pytest.fixture(scope="session")
def worker_python() -> str:
    """The Python of an environment without Airflow."""
    python = ROOT / ".worker-venv" / "bin" / "python"
    assert python.exists(), "run `make test-services`, which builds .worker-venv"
    return str(python)


@pytest.fixture
def dask(worker_python: str, tmp_path: Path) -> Iterator[DaskServers]:
    """A Dask scheduler and two workers."""
    with DaskServers(worker_python, tmp_path / "dask") as running:
        yield running


@pytest.fixture(scope="module")
def spark(worker_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkServers]:
    """A Spark master and a worker of two cores."""
    with SparkServers(worker_python, tmp_path_factory.mktemp("spark")) as running:
        yield running


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Ceph gateway with the bucket ``tennis``."""
    with Ceph(tmp_path_factory.mktemp("ceph")) as running:
        yield running.endpoint


@pytest.fixture
def data(tmp_path: Path) -> Small:
    """A model, and a partition 1 of 500 rows."""
    made = small(tmp_path)
    made.add(1, good_rows(500, 1000))
    return made
