"""Every kind of storage keeps the same promises."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import stores
from packages import install
from publications import publish
from support import NUMBERED, good_rows, small

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, opened, swap
from airflow_batchscore.data.storage.driver import Seen
from airflow_batchscore.data.storage.registry import GROUP
from airflow_batchscore.errors import InputChangedError, InputError, OutputError
from airflow_batchscore.quality.quarantine import Limit

KINDS = [
    pytest.param("disk", marks=pytest.mark.unit),
    pytest.param("memory", marks=pytest.mark.unit),
    pytest.param("s3", marks=pytest.mark.service),
    pytest.param("gs", marks=pytest.mark.clouds),
    pytest.param("az", marks=pytest.mark.clouds),
    pytest.param("abfs", marks=pytest.mark.clouds),
]


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The driver of another package."""
    with pytest.MonkeyPatch.context() as patch:
        install(patch, tmp_path_factory.mktemp("site"), "memory", GROUP, {"memory": "memory_store:MemoryStore"})
        yield


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Location]:
    """An empty folder, by the connection ``test``."""
    account = f"{stores.ACCOUNT}.dfs.core.windows.net"
    kinds: dict[str, Any] = {
        "disk": lambda: stores.disk(tmp_path_factory.mktemp("disk")),
        "memory": lambda: nullcontext("memory://tennis/folder"),
        "s3": stores.s3,
        "gs": stores.gcs,
        "az": lambda: stores.azure("az://tennis/folder"),
        "abfs": lambda: stores.azure(f"abfs://tennis@{account}/folder"),
    }
    store: AbstractContextManager[str] = kinds[request.param]()
    with store as uri:
        yield Location(uri, "test")


def _without_bucket(folder: Location) -> Location:
    return folder.at(folder.uri.replace("tennis", "nowhere"))


def test_files_are_written_read_listed_and_deleted(folder: Location) -> None:
    file = folder / "lists/a b/ü/x.json"
    assert storage.list_files(folder / "lists", recursive=True) == []
    assert storage.stat(file) is None
    assert storage.read_json(file) is None
    storage.write_json(file, {"a": 1})
    storage.write_bytes(folder / "lists/y", b"12345")
    assert storage.read_json(file) == {"a": 1}
    assert storage.read_bytes(folder / "lists/y", most=2) == b"12"
    listed = storage.list_files(folder / "lists/", recursive=True)
    assert [(info.uri, info.size) for info in listed] == [(file.uri, 9), (f"{folder}/lists/y", 5)]
    assert [info.uri for info in storage.list_files(folder / "lists")] == [f"{folder}/lists/y"]
    info = storage.stat(file)
    assert info is not None
    # A store may list times in milliseconds and answer for one object in seconds.
    assert (info.size, info.mtime_ns // 10**9) == (9, listed[0].mtime_ns // 10**9)
    storage.delete(file)
    storage.delete(file)
    assert storage.stat(file) is None


def test_a_file_appears_whole_or_not_at_all(folder: Location) -> None:
    file = folder / "whole"
    with pytest.raises(RuntimeError), storage.atomic_file(file) as path:
        path.write_text("half")
        raise RuntimeError
    assert storage.stat(file) is None
    with storage.atomic_file(file) as path:
        path.write_bytes(bytes(range(256)) * 80_000)
        assert storage.stat(file) is None
    assert storage.read_bytes(file) == bytes(range(256)) * 80_000


def test_readers_of_one_file_do_not_disturb_each_other(folder: Location) -> None:
    storage.write_bytes(folder / "read", b"12345")
    filesystem, path = storage.filesystem(folder / "read")
    with filesystem.open_input_file(path) as one, filesystem.open_input_file(path) as other:
        assert (one.read(2), other.read(2), one.read(3), other.read(3)) == (b"12", b"12", b"345", b"345")


def test_a_file_that_cannot_be_read_leaves_what_was_there(folder: Location, tmp_path: Path) -> None:
    driver, path = storage.locate(f"{folder}/kept")
    storage.write_bytes(folder / "kept", b"1")
    with pytest.raises(OSError, match="missing"):
        driver.put(tmp_path / "missing", path, "test")
    assert storage.read_bytes(folder / "kept") == b"1"


def test_of_several_that_create_a_file_one_wins(folder: Location) -> None:
    driver, _ = storage.locate(folder.uri)
    if getattr(driver, "decides", True) is False:
        pytest.skip("this store does not decide")
    file = folder / "created"
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: storage.create_bytes(file, b"%d" % n), range(8)))
    assert sum(won) == 1
    assert storage.read_bytes(file) == b"%d" % won.index(True)


def test_a_file_that_exists_is_not_created_again(folder: Location) -> None:
    assert storage.create_bytes(folder / "once", b"1")
    assert not storage.create_bytes(folder / "once", b"2")
    assert storage.read_bytes(folder / "once") == b"1"


@pytest.mark.parametrize("stands", [True, False])
def test_a_file_that_stands_is_kept_if_it_is_right(folder: Location, stands: bool) -> None:
    file, asked = folder / f"stands {stands}", list[bytes | None]()

    def is_right() -> bool:
        asked.append(storage.read_bytes(file))
        return stands

    for data in (b"1", b"2"):
        with storage.atomic_file(file, is_right) as path:
            path.write_bytes(data)
    assert asked == [b"1"]
    assert storage.read_bytes(file) == (b"1" if stands else b"2")


def _replace(file: Location, seen: Seen | None, data: bytes, note: str | None = None) -> bool:
    with swap.replacing(file, seen) as new:
        new.path.write_bytes(data)
        new.note = note
    return new.done


def test_a_file_is_replaced_only_while_it_is_the_one_that_was_seen(folder: Location) -> None:
    file = folder / "swapped"
    assert swap.current(file) is None
    assert _replace(file, None, b"one", "first")
    assert not _replace(file, None, b"two")
    seen = swap.current(file)
    assert seen is not None
    assert seen.note == ("first" if swap.keeps_notes(file.uri) else None)
    assert _replace(file, seen, b"two")
    assert not _replace(file, seen, b"ten")
    storage.delete(file)
    assert not _replace(file, seen, b"six")
    assert storage.stat(file) is None


def test_a_reader_notices_that_a_file_was_replaced(folder: Location) -> None:
    file = folder / "pinned"
    storage.write_bytes(file, b"one")
    stamp = opened.stamp_of(file)
    assert opened.stamp_of(file) == stamp
    with pytest.raises(InputChangedError, match="changed since"), opened.open_input(file) as pinned:
        assert pinned.file.read() == b"one"
        storage.write_bytes(file, b"two")
        storage.write_bytes(file, b"one ")
        if file.is_local:  # the inode that was opened stays what it is; it is the path that changed
            Path(file.uri).write_bytes(b"ten")
            raise InputChangedError("changed since")
    with pytest.raises(InputChangedError, match="changed since"), opened.open_input(file, stamp):
        pass
    storage.delete(file)
    with pytest.raises(InputChangedError, match="is gone"), opened.open_input(file, stamp):
        pass
    with pytest.raises(FileNotFoundError), opened.open_input(file):
        pass


def test_a_bucket_that_does_not_exist_is_an_error_that_a_retry_cannot_fix(folder: Location) -> None:
    if folder.uri.startswith(("/", "memory:")):
        pytest.skip("this storage has no buckets")
    file = _without_bucket(folder) / "x"
    with pytest.raises(OutputError, match="cannot write .*nowhere"):
        storage.write_bytes(file, b"1")
    with pytest.raises(OutputError, match="cannot write .*nowhere"):
        storage.create_bytes(file, b"1")
    with pytest.raises((FileNotFoundError, InputError)):
        storage.read_bytes(file)


def test_partitions_are_scored_and_published(folder: Location, tmp_path: Path) -> None:
    data = small(tmp_path)
    for p in (1, 2):
        data.add(p, [*good_rows(30, 1000 * p), (p, "bad", 1, 0)])
        storage.write_bytes(folder / "in" / f"part_{p}.csv", (tmp_path / f"part_{p}.csv").read_bytes())
    dataset = PartitionedDataset(f"{folder}/in/part_{{p}}.csv", conn_id="test", read_options=NUMBERED)
    place = {"output_uri": f"{folder}/staged", "conn_id": "test"}
    manifests = [manifest for manifest, _ in data.score(1, 2, dataset=dataset, limit=Limit(1), **place)]
    assert [manifest.account.rows_quarantined for manifest in manifests] == [1, 1]
    for name in ("out.parquet", "out.csv", "out"):
        output = f"{folder}/{name}"
        assert publish(manifests, output, 1, "test").changes.added == ["p=1", "p=2"]
        assert publish(manifests, output, 2, "test").changes.unchanged == ["p=1", "p=2"]
    filesystem, path = storage.filesystem(folder / "out.parquet")
    with filesystem.open_input_file(path) as source:
        assert len(pd.read_parquet(source)) == 60
