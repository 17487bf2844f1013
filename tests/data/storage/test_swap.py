"""A file is replaced only while it is the one that was looked at."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, swap

pytestmark = pytest.mark.unit


def test_a_file_on_a_disk_is_replaced_only_while_it_is_the_one_that_was_seen(tmp_path: Path) -> None:
    uri = f"{tmp_path}/x"
    assert swap.current(Location(uri)) is None
    assert _swap(uri, None, b"one")
    assert not _swap(uri, None, b"two")
    seen = swap.current(Location(uri))
    assert _swap(uri, seen, b"two")
    assert not _swap(uri, seen, b"one")
    assert Path(uri).read_bytes() == b"two"
    assert {path.name for path in tmp_path.iterdir()} == {"x", ".x.lock"}


def _swap(uri: str, seen: swap.Seen | None, data: bytes, note: str | None = None) -> bool:
    with swap.replacing(Location(uri), seen) as new:
        new.path.write_bytes(data)
        new.note = note
    return new.done


def test_what_cannot_be_read_because_it_is_being_replaced_is_read_again(tmp_path: Path) -> None:
    uri = f"{tmp_path}/torn"
    storage.write_bytes(Location(uri), b"one")
    calls = []

    def read(seen: swap.Seen) -> bytes:
        calls.append(seen)
        if len(calls) == 1:
            storage.write_bytes(Location(uri), b"two")
            raise ValueError("the end of another file")
        return storage.read_bytes(Location(uri))

    seen, data = swap.read_seen(Location(uri), read)
    assert (data, seen) == (b"two", swap.current(Location(uri)))


def test_a_small_json_file_is_changed_by_many_and_no_change_is_lost(tmp_path: Path) -> None:
    def add(number: int) -> bool:
        return swap.change_json(Location(f"{tmp_path}/counts.json"), lambda value: {**value, str(number): number})

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(add, range(20)))
    assert json.loads((tmp_path / "counts.json").read_text()) == {str(n): n for n in range(20)}
