"""Files on a disk are put in place in one step, and replaced by one process at a time."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_batchscore.data.storage import local_disk, swap
from airflow_batchscore.data.storage.driver import Seen
from airflow_batchscore.data.storage.local_disk import LocalDisk

pytestmark = pytest.mark.unit


def test_who_waits_for_a_lock_too_long_is_told_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_disk, "_LOCK_SECONDS", 0.05)
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


DISK = LocalDisk()


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A complete file, to be put in place."""
    path = tmp_path / "whole"
    path.write_bytes(b"new")
    return path


@pytest.mark.parametrize("rest", ["/d/x", "d/x", "//d/x"])
def test_a_file_uri_has_the_path_of_the_plain_one(rest: str) -> None:
    assert DISK.path("file", rest) == "/d/x"


def test_a_file_system_without_locks_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with swap.locked(f"{tmp_path}/x"):
        pass
    assert "this file system has no locks ([Errno 37] No locks available); let one process at a time" in caplog.text


def test_a_lock_that_fails_otherwise_is_an_error_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("fcntl.flock", fail)
    with pytest.raises(OSError, match=r"cannot lock .*/\.x\.lock: .*Input/output error"), swap.locked(f"{tmp_path}/x"):
        pass


def test_what_is_called_before_a_replacement_can_prevent_it(tmp_path: Path, whole: Path) -> None:
    def refuse() -> None:
        raise RuntimeError("not now")

    with pytest.raises(RuntimeError, match="not now"):
        DISK.replace(whole, f"{tmp_path}/x", None, None, note=None, before=refuse)
    assert not (tmp_path / "x").exists()
    assert DISK.replace(whole, f"{tmp_path}/x", None, None, note=None, before=None)
    assert (tmp_path / "x").read_bytes() == b"new"


def test_a_file_that_was_rewritten_in_place_is_not_the_one_that_was_seen(tmp_path: Path, whole: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"one")
    os.utime(target, ns=(0, 0))
    seen = DISK.current(str(target), None)
    assert seen is not None
    target.write_bytes(b"two")
    assert DISK.current(str(target), None) != seen
    assert not DISK.replace(whole, str(target), seen, None, note=None, before=None)
    assert not DISK.replace(whole, str(target), Seen("another"), None, note=None, before=None)
    assert target.read_bytes() == b"two"


def test_a_reader_of_the_old_file_is_not_disturbed(tmp_path: Path, whole: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")
    with DISK.open(str(target), None) as opened:
        DISK.put(whole, str(target), None)
        assert opened.file.read() == b"old"
        assert opened.look_again().changed != opened.stamp.changed  # its last name is gone
    assert target.read_bytes() == b"new"
