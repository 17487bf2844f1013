"""Fixtures that every room's tests share."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Wta, ends_with_folder
from xdist.scheduler import LoadScopeScheduling

_KINDS = {
    *("unit", "dag", "service", "production", "faults", "flavors", "environments", "clouds", "dist", "image", "ui"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-roles", action="store_true", help="write what each role may do into docs/roles.md")
    parser.addoption("--write-screenshots", action="store_true", help="write pictures of the pages into docs/images")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test says what it needs."""
    for item in items:
        if not _KINDS & {marker.name for marker in item.iter_markers()}:
            raise pytest.UsageError(f"{item.nodeid} has none of the markers {sorted(_KINDS)}")


class _Together(LoadScopeScheduling):  # type: ignore[misc]
    """Tests that share a running Airflow go to one process, all others wherever one is free.

    (pytest-xdist's own groups are lost with pytest 9.2: they were written into the ids of tests.)
    """

    def _split_scope(self, nodeid: str) -> str:
        folder = nodeid.removeprefix("tests/").partition("/")[0]
        if folder == "security":
            return f"{folder} {'hardened' if '[hardened' in nodeid else 'default'}"
        return folder if folder == "service" else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Used by ``pytest -n``."""
    return _Together(config, log)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """An Airflow that a folder shares, without work, still takes a tenth of the machine from the tests of others."""
    if nextitem is None or nextitem.path.parent != item.path.parent:
        ends_with_folder.close()


@pytest.fixture(scope="session")
def airflow_dags() -> dict[str, Any]:
    """The example DAGs and those of the tests, in a database of this session: ``dags[id].test(run_conf=...)``."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.utils.db import initdb

    importlib.import_module("small_pipeline")  # other DAG files do so, and would else have its DAGs too

    initdb()
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"], bundle_name="dags-folder")
    assert bag.import_errors == {}
    sync_bag_to_db(bag, "dags-folder", None)
    return dict(bag.dags)


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
    from s3_server import emptied_moto

    return emptied_moto()


@pytest.fixture(scope="session")
def matches(wta: Wta, tmp_path_factory: pytest.TempPathFactory) -> Wta:
    """A copy of the matches that a test may change."""
    folder = tmp_path_factory.mktemp("service-matches")
    for path in wta.folder.glob("*.csv"):
        shutil.copy(path, folder)
    return Wta(folder, wta.real)


@pytest.fixture(scope="session")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `strange_models.Slow` leaves the id of each process that predicts."""
    return tmp_path_factory.mktemp("marks")


@pytest.fixture
def hold(marks: Path) -> Iterator[Path]:
    """No mark is there yet; while this file exists, `strange_models.Slow` stops in the middle of a partition."""
    for old in marks.iterdir():
        old.unlink()
    path = Path(f"{marks}.hold")
    path.touch()
    yield path
    path.unlink(missing_ok=True)
