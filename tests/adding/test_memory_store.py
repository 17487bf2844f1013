"""The example of docs/adding/storage.md; tests/data/storage/test_drivers.py holds it to every storage's promises."""

from __future__ import annotations

from pathlib import Path

import pytest
from memory_store import MemoryStore
from packages import install

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.registry import GROUP
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


def test_the_entry_point_serves_its_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path, "memory", GROUP, {"memory": "memory_store:MemoryStore"})
    storage.write_bytes(Location("memory://bucket/x"), b"1")
    assert storage.read_bytes(Location("memory://bucket/x")) == b"1"
    assert isinstance(storage.locate("memory://bucket/x")[0], MemoryStore)


def test_a_scheme_of_ours_cannot_be_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path, "takes_over", GROUP, {"s3": "memory_store:MemoryStore"})
    assert not isinstance(storage.locate("s3://bucket/x")[0], MemoryStore)


def test_a_driver_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path, "broken", GROUP, {"odd": "no_such_package:Driver"})
    with pytest.raises(InputError, match="storage driver of odd:// cannot be imported from no_such_package:Driver"):
        storage.read_bytes(Location("odd://bucket/x"))


class Straying(MemoryStore):
    """Says that it serves a scheme that it was not registered for."""

    schemes = ("s3", "memory")


def test_a_driver_serves_the_scheme_of_its_entry_point_whatever_its_class_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path, "straying", GROUP, {"stray": f"{__name__}:Straying"})
    assert storage.split_scheme("stray://bucket/x") == ("stray", "bucket/x")
    assert isinstance(storage.locate("stray://bucket/x")[0], Straying)
    assert storage.real("stray://bucket/x/") == "stray://bucket/x"
    assert not isinstance(storage.locate("s3://bucket/x")[0], Straying)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("builtins:dict", "storage driver of odd://: builtins:dict of the package wrong is not a class that derives"),
        ("airflow_batchscore.data.storage.object_store:ObjectStore", "cannot be made: .*abstract.*filesystem"),
        ("json:dumps", "is not a class that derives from StorageDriver"),
    ],
)
def test_what_is_no_driver_is_refused_when_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    install(monkeypatch, tmp_path, "wrong", GROUP, {"odd": path})
    with pytest.raises(InputError, match=message):
        storage.locate("odd://bucket/x")


def test_an_unknown_scheme_is_answered_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match="no storage is known for odd://; use a local path or s3://, gs://"):
        storage.read_bytes(Location("odd://bucket/x"))
