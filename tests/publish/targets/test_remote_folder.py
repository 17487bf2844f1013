"""A folder in an object store: each partition is replaced by one conditional write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packages import install
from process_engine import Processes
from publications import publish
from support import good_rows, small

from airflow_batchscore import LocalDask
from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.registry import GROUP
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.publish.order import Order
from airflow_batchscore.publish.targets import remote_folder
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Manifest]]:
    """Partitions 1 and 2 with 20 rows each, with 30, and with none."""
    data = small(tmp_path_factory.mktemp("data"))
    manifests = {}
    for rows in (20, 30, 0):
        for partition in (1, 2):
            data.add(partition, good_rows(rows, 1000 * partition))
        manifests[rows] = [manifest for manifest, _ in data.score(1, 2, allow_empty=True)]
    return manifests


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Location]:
    """An empty folder in the memory of this process."""
    install(monkeypatch, tmp_path / "site", "memory", GROUP, {"memory": "memory_store:MemoryStore"})
    yield Location("memory://tennis/out")
    fsspec.filesystem("memory").rm("/tennis", recursive=True)


def _rows(folder: Location) -> dict[str, int]:
    filesystem, _ = storage.filesystem(folder)
    files = [file.uri for file in storage.list_files(folder, recursive=True) if file.uri.endswith(".parquet")]
    return {
        uri.split("/")[-2]: pq.read_metadata(uri.removeprefix("memory://"), filesystem=filesystem).num_rows
        for uri in files
    }


def _states(folder: Location) -> dict[str, bool]:
    """Partition -> whether its last publication ended."""
    return {key: entry.done for key, entry in Order.of_folder(folder).read().items()}


def test_partitions_are_replaced_one_by_one_and_the_others_stay(
    scored: dict[int, list[Manifest]], folder: Location
) -> None:
    assert publish(scored[20], folder, 1).changes.added == ["p=1", "p=2"]
    changes = publish(scored[30][1:], folder, 2).changes
    assert (changes.replaced, changes.kept) == (["p=2"], ["p=1"])
    assert _rows(folder) == {"p=1": 20, "p=2": 30}
    assert _states(folder) == {"p=1": True, "p=2": True}


def test_workers_replace_partitions_side_by_side(scored: dict[int, list[Manifest]], folder: Location) -> None:
    engine = LocalDask(processes=False, workers=2)
    assert publish(scored[20], folder, 1, engine=engine).changes.added == ["p=1", "p=2"]
    assert publish(scored[30], folder, 2, engine=engine).changes.replaced == ["p=1", "p=2"]
    assert _rows(folder) == {"p=1": 30, "p=2": 30}
    assert _states(folder) == {"p=1": True, "p=2": True}
    with pytest.raises(GateError, match="has newer scores: p=1 by dag/2"):
        publish(scored[20], folder, 1, engine=engine)


def test_workers_are_told_that_a_store_is_waited_for_and_a_disk_is_not(
    scored: dict[int, list[Manifest]], folder: Location, tmp_path: Path
) -> None:
    waits: list[bool] = []

    class Here(Processes):
        def run(self, function, arguments, *, remote=False):  # type: ignore[no-untyped-def]
            waits.append(remote)
            return map(function, *zip(*arguments, strict=True))

    publish(scored[20], folder, 1, engine=Here())
    publish(scored[20], tmp_path / "out", 1, engine=Here())
    assert waits == [True, False]


def test_an_older_run_replaces_nothing_and_is_not_announced(
    scored: dict[int, list[Manifest]], folder: Location
) -> None:
    publish(scored[30][:1], folder, 20)
    before = Order.of_folder(folder).read()
    with pytest.raises(GateError, match="has newer scores: p=1 by dag/20"):
        publish(scored[20], folder, 10)
    assert _rows(folder) == {"p=1": 30}
    assert Order.of_folder(folder).read() == before


def test_partitions_without_rows_replace_none_and_are_not_announced(
    scored: dict[int, list[Manifest]], folder: Location
) -> None:
    publish(scored[20], folder, 1)
    with pytest.raises(GateError, match=r"no row was scored of p=1 \(20 rows\)"):
        publish([scored[0][0], scored[30][1]], folder, 2)
    assert _rows(folder) == {"p=1": 20, "p=2": 20}
    assert {entry.generation for entry in Order.of_folder(folder).read().values()} == {1}


def test_a_run_that_failed_halfway_is_continued_by_its_retry(
    scored: dict[int, list[Manifest]], folder: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(scored[20], folder, 1)
    write = remote_folder.write_partition

    def failing(path: Path, stamp: Any, manifest: Manifest) -> None:
        if stamp.key == "p=2":
            raise OSError("the store is down")
        write(path, stamp, manifest)

    monkeypatch.setattr(remote_folder, "write_partition", failing)
    with pytest.raises(OSError, match="the store is down"):
        publish(scored[30], folder, 2)
    assert _rows(folder) == {"p=1": 30, "p=2": 20}
    assert _states(folder) == {"p=1": False, "p=2": False}
    monkeypatch.setattr(remote_folder, "write_partition", write)
    assert publish(scored[30], folder, 2).changes.replaced == ["p=2"]
    assert _rows(folder) == {"p=1": 30, "p=2": 30}
    assert _states(folder) == {"p=1": True, "p=2": True}


@pytest.mark.parametrize(("other", "rows"), [(1, 30), (3, 20)])
def test_a_partition_that_another_run_publishes_meanwhile_goes_to_the_newer_of_both(
    scored: dict[int, list[Manifest]], folder: Location, monkeypatch: pytest.MonkeyPatch, other: int, rows: int
) -> None:
    write, overtaken = remote_folder.write_partition, []

    def slow(path: Path, stamp: Any, manifest: Manifest) -> None:
        write(path, stamp, manifest)
        if not overtaken:
            overtaken.append(stamp.key)
            file = remote_folder.partition_file(folder, stamp.key)
            with storage.atomic_file(file) as whole:
                write(whole, replace(stamp, generation=other, run=f"dag/{other}", manifest="theirs"), scored[20][0])

    monkeypatch.setattr(remote_folder, "write_partition", slow)
    if other == 3:
        with pytest.raises(GateError, match="has newer scores: p=1 by dag/3"):
            publish(scored[30], folder, 2)
    else:
        publish(scored[30], folder, 2)
    assert _rows(folder)["p=1"] == rows


def test_a_damaged_file_is_replaced_and_one_of_another_program_is_not(
    scored: dict[int, list[Manifest]], folder: Location
) -> None:
    storage.write_bytes(folder / "p=1" / "scores.parquet", b"PAR1 cut off")
    assert publish(scored[20], folder, 1).changes.added == ["p=1", "p=2"]
    filesystem, _ = storage.filesystem(folder)
    pq.write_table(pa.table({"id": [1]}), "tennis/out/p=1/scores.parquet", filesystem=filesystem)
    with pytest.raises(OutputError, match=r"p=1/scores\.parquet was not published by this package\. Move it away"):
        publish(scored[30], folder, 2)
    assert _rows(folder) == {"p=1": 1, "p=2": 20}


def test_partitions_with_other_fields_are_refused(scored: dict[int, list[Manifest]], folder: Location) -> None:
    publish(scored[20], folder, 1)
    finer = [replace(one, partition={**one.partition, "month": "1"}) for one in scored[20]]
    with pytest.raises(OutputError, match="holds p=1, a partition by p, and this run's partitions are by p, month"):
        publish(finer, folder, 2)
    assert _rows(folder) == {"p=1": 20, "p=2": 20}
