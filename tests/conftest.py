"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from support import ROOT, Wta

_KINDS = {"unit", "dag", "service"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test says what it needs."""
    for item in items:
        if not _KINDS & {marker.name for marker in item.iter_markers()}:
            raise pytest.UsageError(f"{item.nodeid} has none of the markers {sorted(_KINDS)}")


@pytest.fixture(scope="session", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An Airflow home for this session, set before anything imports airflow."""
    home = Path(os.environ["AIRFLOW_HOME"])
    yield home


@pytest.fixture(scope="session")
def wta(tmp_path_factory: pytest.TempPathFactory) -> Wta:
    """The WTA matches: real ones where ``WTA_MATCHES_DIR`` names them, else synthetic ones of the same schema."""
    from wta_data import make_matches

    named = os.environ.get("WTA_MATCHES_DIR")
    if named:
        return Wta(Path(named).resolve(), real=True)
    folder = tmp_path_factory.mktemp("matches")
    make_matches(folder)
    return Wta(folder, real=False)


@pytest.fixture
def moto() -> str:
    """The address of an S3 server with one empty bucket, ``tennis``."""
    from support import moto_server

    with moto_server() as endpoint:
        yield endpoint
