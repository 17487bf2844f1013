"""What every object store has from its base: how its URIs are written, and writes without the store's help."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow.fs import FileSystem, LocalFileSystem, SubTreeFileSystem

from airflow_batchscore.data.storage.driver import Seen, Stamp
from airflow_batchscore.data.storage.object_store import ObjectStore
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


class Folder(ObjectStore):
    """A store in a folder of this disk, whose objects have neither tag nor time."""

    schemes = ("folder", "dir")
    not_in_keys = "?"

    def __init__(self, folder: Path) -> None:
        (folder / "bucket" / "a" / "b").mkdir(parents=True)
        self._files = SubTreeFileSystem(str(folder), LocalFileSystem())

    def filesystem(self, path: str, conn_id: str | None) -> tuple[FileSystem, str]:
        return self._files, path


@pytest.fixture
def store(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A complete file, to be put into the store."""
    path = tmp_path / "whole"
    path.write_bytes(b"new")
    return path


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        ("bucket", "bucket"),
        ("bucket/", "bucket"),
        ("bucket/a b/ü%2F#1", "bucket/a b/ü%2F#1"),
        ("bucket/folder/", "bucket/folder"),
        ("models@champion", "models@champion"),
        ("bucket/model@champion", "bucket/model@champion"),
    ],
)
def test_a_plain_uri_has_one_path(store: Folder, rest: str, path: str) -> None:
    assert store.path("dir", rest) == path
    assert store.real(path) == f"folder://{path}"


@pytest.mark.parametrize("rest", ["", "/", "b:9/x", "user:canary@b/x", "user@b/x", "b/x?canary=1", "bü/x", "b?canary"])
def test_a_uri_that_says_more_is_refused_without_its_secrets(store: Folder, rest: str) -> None:
    with pytest.raises(InputError, match="is not written plainly, as folder://bucket/key") as refused:
        store.path("dir", rest)
    assert "canary" not in str(refused.value)


def test_an_empty_segment_is_refused(store: Folder) -> None:
    with pytest.raises(InputError, match="dir://bucket//x has an empty segment, a slash too many"):
        store.path("dir", "bucket//x")


def test_listed_names_are_those_below_the_folder(store: Folder, whole: Path) -> None:
    assert list(store.list("bucket/none", None, recursive=True)) == []
    for key in ("a/b/x", "a/y"):
        store.put(whole, f"bucket/{key}", None)
    for folder in ("bucket/a", "bucket/a/"):
        assert sorted(file.below for file in store.list(folder, None, recursive=True)) == ["b/x", "y"]
        assert [(file.below, file.size) for file in store.list(folder, None, recursive=False)] == [("y", 3)]


def test_an_object_that_says_nothing_of_itself_has_its_size_alone(store: Folder, whole: Path) -> None:
    store.put(whole, "bucket/x", None)
    assert store.stamp("bucket/x", None) == Stamp(3, "", "")
    with store.open("bucket/x", None) as opened:
        whole.write_bytes(b"newer")
        store.put(whole, "bucket/x", None)
        assert (opened.stamp.size, opened.look_again().size) == (3, 5)
    with pytest.raises(FileNotFoundError):
        store.stamp("bucket/none", None)


def test_a_store_that_does_not_decide_looks_before_it_writes(store: Folder, whole: Path) -> None:
    assert (store.decides, store.keeps_notes) == (False, False)
    assert store.current("bucket/x", None) is None
    assert store.create(whole, "bucket/x", None)
    assert not store.create(whole, "bucket/x", None)
    seen = store.current("bucket/x", None)
    whole.write_bytes(b"newer")
    assert not store.replace(whole, "bucket/x", Seen("another"), None, note=None, before=None)
    assert store.replace(whole, "bucket/x", seen, None, note=None, before=None)
    assert not store.replace(whole, "bucket/x", seen, None, note=None, before=None)
    assert store.stamp("bucket/x", None).size == 5


def test_what_is_called_before_a_write_can_prevent_it(store: Folder, whole: Path) -> None:
    def refuse() -> None:
        raise RuntimeError("not now")

    with pytest.raises(RuntimeError, match="not now"):
        store.replace(whole, "bucket/x", None, None, note=None, before=refuse)
    assert store.current("bucket/x", None) is None
