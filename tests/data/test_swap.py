"""A file is replaced only while it is the one that was looked at."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import s3_client, s3_options

from airflow_batchscore.data import s3, storage, swap

pytestmark = pytest.mark.service


@pytest.fixture
def server(moto: str) -> Iterator[str]:
    """An S3 server under the connection `test`."""
    s3.register("test", s3_options(moto))
    yield moto
    s3.forget("test")


def test_a_file_on_a_disk_is_replaced_only_while_it_is_the_one_that_was_seen(tmp_path: Path) -> None:
    uri = f"{tmp_path}/x"
    assert swap.look(uri) is None
    assert _swap(uri, None, b"one")
    assert not _swap(uri, None, b"two")
    seen = swap.look(uri)
    assert _swap(uri, seen, b"two")
    assert not _swap(uri, seen, b"one")
    assert Path(uri).read_bytes() == b"two"
    assert {path.name for path in tmp_path.iterdir()} == {"x", ".x.lock"}


def test_who_waits_for_a_lock_too_long_is_told_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "_LOCK_SECONDS", 0.05)
    uri = f"{tmp_path}/x"
    with swap.locked(uri), pytest.raises(OSError, match=r"/\.x\.lock has been locked for"), swap.locked(uri):
        pass
    with swap.locked(uri):
        pass


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    held, most = [0], [0]
    guard = threading.Lock()

    def hold(_: int) -> None:
        with swap.locked(f"{tmp_path}/x"):
            with guard:
                held[0] += 1
                most[0] = max(most[0], held[0])
            with guard:
                held[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hold, range(40)))
    assert most == [1]


def test_an_object_is_replaced_only_while_it_is_the_one_that_was_seen(server: str) -> None:
    uri = "s3://tennis/swap/x"
    assert swap.look(uri, "test") is None
    assert _swap(uri, None, b"one", note="n1")
    assert not _swap(uri, None, b"two")
    seen = swap.look(uri, "test")
    assert seen is not None
    assert seen.note == "n1"
    assert _swap(uri, seen, b"two")
    assert not _swap(uri, seen, b"three")
    assert storage.read_bytes(uri, "test") == b"two"
    storage.delete(uri, "test")
    assert not _swap(uri, seen, b"four")


def test_an_object_of_several_parts_is_replaced_on_the_same_condition(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_ONE_REQUEST", 1 << 20)
    monkeypatch.setattr(s3, "_PART", 5 << 20)
    uri, data = "s3://tennis/swap/large", b"x" * (12 << 20)
    assert _swap(uri, None, data)
    seen = swap.look(uri, "test")
    assert not _swap(uri, None, data)
    assert _swap(uri, seen, data + b"y")
    assert not _swap(uri, seen, data + b"z")
    assert storage.read_bytes(uri, "test") == data + b"y"
    assert "Uploads" not in s3_client(server).list_multipart_uploads(Bucket="tennis")


def _swap(uri: str, seen: swap.Seen | None, data: bytes, note: str | None = None) -> bool:
    with swap.replacing(uri, seen, "test") as new:
        new.path.write_bytes(data)
        new.note = note
    return new.done


def test_what_cannot_be_read_because_it_is_being_replaced_is_read_again(server: str) -> None:
    uri = "s3://tennis/swap/torn"
    storage.write_bytes(uri, b"one", "test")
    calls = []

    def read(seen: swap.Seen) -> bytes:
        calls.append(seen)
        if len(calls) == 1:
            storage.write_bytes(uri, b"two", "test")
            raise ValueError("the end of another file")
        return storage.read_bytes(uri, "test")

    seen, data = swap.read_seen(uri, read, "test")
    assert (data, seen) == (b"two", swap.look(uri, "test"))


def test_a_small_json_file_is_changed_by_many_and_no_change_is_lost(tmp_path: Path) -> None:
    def add(number: int) -> bool:
        return swap.change_json(f"{tmp_path}/counts.json", lambda value: {**value, str(number): number})

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(add, range(20)))
    assert json.loads((tmp_path / "counts.json").read_text()) == {str(n): n for n in range(20)}
