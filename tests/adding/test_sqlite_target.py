"""The example of docs/adding/output.md, found by its entry point."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from packages import install
from publications import publish
from support import Small, good_rows, small

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.publish.targets import GROUP, target_of
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(monkeypatch, tmp_path / "site", "lite", GROUP, {".sqlite": "sqlite_target:SqliteTarget"})
    return tmp_path / "scores.sqlite"


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    for partition in (1, 2, 3):
        made.add(partition, good_rows(20, 1000 * partition))
    return made


def _scored(data: Small, *partitions: int, **options: str) -> list[Manifest]:
    return [manifest for manifest, _ in data.score(*partitions, **options)]


def _rows(output: Path) -> dict[int, int]:
    """Partition -> number of its rows, as a reader of the table sees them."""
    with closing(sqlite3.connect(output)) as db:
        return dict(db.execute("SELECT p, count(DISTINCT id) FROM scores GROUP BY p ORDER BY p"))


def test_a_runs_partitions_replace_themselves_alone(data: Small, output: Path) -> None:
    publish(_scored(data, 1, 2), output, 1)
    data.add(2, good_rows(30, 2000))
    changes = publish(_scored(data, 1, 2, 3), output, 2).changes
    assert (changes.added, changes.replaced, changes.unchanged) == (["p=3"], ["p=2"], ["p=1"])
    assert publish(_scored(data, 3), output, 3).changes.kept == ["p=1", "p=2"]
    assert _rows(output) == {1: 20, 2: 30, 3: 20}
    assert publish(_scored(data, 3), output, 4, replace_all=True).changes.dropped == ["p=1", "p=2"]
    assert _rows(output) == {3: 20}


def test_an_older_run_and_other_columns_are_refused(data: Small, output: Path) -> None:
    old = _scored(data, 1)
    data.add(1, good_rows(30, 1000))
    publish(_scored(data, 1, 2), output, 2)
    with pytest.raises(GateError, match=r"has newer scores: p=1 by dag/2, planned .* This run, dag/1"):
        publish(old, output, 1)
    with pytest.raises(OutputError, match="cannot be added to: the published data has the columns prediction, which"):
        publish(_scored(data, 3, method="predict_proba"), output, 3)
    assert _rows(output) == {1: 30, 2: 20}


def test_a_publication_that_fails_half_way_changes_nothing(data: Small, output: Path) -> None:
    publish(_scored(data, 1, 2), output, 1)
    for partition in (1, 2):
        data.add(partition, good_rows(30, 1000 * partition))
    manifests = _scored(data, 1, 2)
    part = Path(manifests[1].folder.uri) / manifests[1].blocks[0].part
    pq.write_table(pq.read_table(part).slice(1), part)
    with pytest.raises(GateError, match="p=2"):
        publish(manifests, output, 2)
    assert _rows(output) == {1: 20, 2: 20}


def test_reports_of_runs_go_beside_the_file(output: Path) -> None:
    assert target_of(Location(str(output))).runs == Location(f"{output.parent}/_runs/{output.name}")
