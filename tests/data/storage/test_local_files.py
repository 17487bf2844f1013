"""Private files and folders: complete before they have their name, and swept when their writer was killed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run_command, start_command

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.local_files import new_file_beside, private_folder, scratch_file, take_free_place

pytestmark = pytest.mark.unit


def test_a_file_is_private_until_it_is_whole(tmp_path: Path) -> None:
    with storage.atomic_file(Location(f"{tmp_path}/x/file")) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.write_text("whole")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "x/file").stat().st_mode) == 0o666 & ~mask


def test_many_files_are_written_at_once_with_few_descriptors(tmp_path: Path) -> None:
    script = (
        "import resource, sys\nfrom contextlib import ExitStack\n"
        "from airflow_batchscore.data.storage import Location, atomic_file\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "with ExitStack() as files:\n"
        "    for n in range(300):\n"
        "        files.enter_context(atomic_file(Location(f'{sys.argv[1]}/p={n}/x'))).write_bytes(b'1')\n"
    )
    run_command([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)
    assert len(list(tmp_path.glob("p=*/x"))) == 300


_HOLD = """
import sys, time
from airflow_batchscore.data.storage import Location, atomic_file
with atomic_file(Location(sys.argv[1])) as path:
    path.write_bytes(b"half")
    print("held", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    writers = [
        start_command([sys.executable, "-c", _HOLD, str(tmp_path / name)], stdout=subprocess.PIPE)
        for name in ("killed", "living")
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"held\n"
        writers[0].kill()
        writers[0].wait(10)
        left = sorted(path.name.rsplit("-", 1)[1] for path in tmp_path.glob(".tmp-*"))
        assert left == ["killed", "living"]
        foreign = [tmp_path / f".tmp-0123456789ab-1-99-0123abcd-{name}" for name in ("recent", "old")]
        for path in foreign:
            path.touch()
        os.utime(foreign[1], (0, 0))
        storage.write_bytes(Location(str(tmp_path / "new")), b"1")
        left = sorted(path.name.rsplit("-", 1)[1] for path in tmp_path.glob(".tmp-*"))
        assert left == ["living", "recent"], "of another machine only what is old"
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


def test_temporary_files_of_remote_outputs_are_removed_after_a_kill(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    writers = [
        start_command([sys.executable, "-c", _HOLD, f"s3://tennis/{n}"], stdout=subprocess.PIPE, env=environment)
        for n in range(3)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"held\n"
        for writer in writers[:2]:
            writer.kill()
            writer.wait(10)
        assert len(list(tmp_path.iterdir())) == 3
        script = "from airflow_batchscore.data.storage.local_files import scratch_file\nwith scratch_file(): pass"
        run_command([sys.executable, "-c", script], check=True, env=environment, timeout=60)
        (left,) = tmp_path.iterdir()
        assert f"-{writers[2].pid}-" in left.name
        assert stat.S_IMODE(left.stat().st_mode) == 0o600
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


@pytest.mark.parametrize("name", ["x" * 255, "\u65e5" * 85, "x" * 200 + ".report.html"], ids=["x", "wide", "report"])
def test_the_longest_name_that_a_disk_takes_can_be_written(tmp_path: Path, name: str) -> None:
    storage.write_bytes(Location(f"{tmp_path}/{name}"), b"1")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_private_name_ends_as_the_file_does(tmp_path: Path) -> None:
    """Some libraries choose a format by it."""
    with new_file_beside(tmp_path / ("m" * 200 + ".json")) as path:
        assert path.suffix == ".json"
        assert path.parent == tmp_path


def test_a_private_file_is_removed_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), new_file_beside(tmp_path / "new" / "x") as path:
        path.write_text("half")
        raise RuntimeError
    with new_file_beside(tmp_path / "new" / "x") as path:
        path.rename(tmp_path / "new" / "x")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x"]
    with scratch_file() as path:
        path.write_text("whole")
    assert not path.exists()


def test_a_private_folder_goes_with_all_that_is_left_in_it(tmp_path: Path) -> None:
    with private_folder(tmp_path / "new" / "out") as folder:
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "a" / "b" / "x").touch()
        assert (folder.parent, stat.S_IMODE(folder.stat().st_mode)) == (tmp_path / "new", 0o700)
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("links", [True, False])
def test_a_place_that_is_taken_stays_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("this file system has no hard links")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    for name, won in (("one", True), ("two", False)):
        (tmp_path / name).write_bytes(name.encode())
        assert take_free_place(tmp_path / name, tmp_path / "x") is won
    assert (tmp_path / "x").read_bytes() == b"one"


def test_folders_with_names_of_others_are_not_swept(tmp_path: Path) -> None:
    ours = tmp_path / ".tmp-0123456789ab-1-99-0123abcd-out"
    theirs = tmp_path / ".tmp-0123456789ab-1-work"
    for folder in (ours, theirs):
        folder.mkdir()
    file = tmp_path / ".tmp-mine-1-notes"
    file.touch()
    for path in (ours, theirs, file):
        os.utime(path, (0, 0))
    storage.write_bytes(Location(f"{tmp_path}/x"), b"1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [theirs.name, file.name, "x"]


def test_a_scratch_folder_of_a_killed_process_goes_with_the_next(tmp_path: Path) -> None:
    code = """
import sys, time
from airflow_batchscore.data.storage.local_files import scratch_folder
with scratch_folder() as folder:
    (folder / "left").touch()
    print("held", flush=True)
    time.sleep(60)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = start_command([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
    finally:
        process.kill()
        process.communicate()
    (left,) = tmp_path.iterdir()
    code = "from airflow_batchscore.data.storage.local_files import scratch_folder as s\nwith s(): pass"
    run_command([sys.executable, "-c", code], env=environment, check=True)
    assert not left.exists()
