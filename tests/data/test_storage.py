from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import run_command, start_command
from support import s3_client, s3_options

from airflow_batchscore.data import s3, storage
from airflow_batchscore.data.opened import look
from airflow_batchscore.errors import InputError, OutputError

pytestmark = pytest.mark.unit


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    uri = str(tmp_path / "new" / "x.json")
    storage.write_json(uri, {"a": 1})
    assert storage.read_json(uri) == {"a": 1}
    with pytest.raises(RuntimeError), storage.atomic_file(uri) as path:
        path.write_text("half")
        raise RuntimeError
    assert storage.read_json(uri) == {"a": 1}
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["x.json"]


def test_a_reader_never_sees_a_half_written_file(tmp_path: Path) -> None:
    uri = str(tmp_path / "x")
    storage.write_bytes(uri, b"0" * 500_000)
    seen: set[int] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            data = storage.read_bytes(uri)
            seen.add(len(data) * len(set(data)))

    reader = threading.Thread(target=look)
    reader.start()
    for n in range(60):
        storage.write_bytes(uri, str(n % 10).encode() * 500_000)
    stop.set()
    reader.join()
    assert seen == {500_000}


def test_a_folder_that_is_a_file_cannot_be_written_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*/file/x"):
        storage.write_bytes(str(tmp_path / "file" / "x"), b"")


def test_json_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("{half")
    with pytest.raises(InputError, match="is not JSON"):
        storage.read_json(str(tmp_path / "x"))
    (tmp_path / "x").write_text("[]")
    with pytest.raises(InputError, match="holds list"):
        storage.read_json(str(tmp_path / "x"))
    assert storage.read_json(str(tmp_path / "none")) is None


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(InputError, match="no storage is known for ftp://"):
        storage.filesystem("ftp://x/y")


@pytest.fixture
def bucket(moto: str) -> str:
    s3.register("test", s3_options(moto))
    return moto


@pytest.mark.service
def test_s3_reads_writes_lists_and_tags(bucket: str) -> None:
    uri = "s3://tennis/a b/ü/x.json"
    assert storage.list_files("s3://tennis/none", "test", recursive=True) == []
    storage.write_json(uri, {"a": 1}, "test")
    assert storage.read_json(uri, "test") == {"a": 1}
    (info,) = storage.list_files("s3://tennis/a b", "test", recursive=True)
    assert info.uri == uri
    there = storage.stat(uri, "test")
    assert there is not None
    # A store may list times in milliseconds and answer for one object in seconds.
    assert (there.uri, there.size, there.mtime_ns // 10**9) == (info.uri, info.size, info.mtime_ns // 10**9)
    etag = s3_client(bucket).head_object(Bucket="tennis", Key="a b/ü/x.json")["ETag"].strip('"')
    assert look(uri, "test").tag == f"etag:{etag}"


@pytest.mark.service
def test_s3_objects_over_one_part_and_listings_over_one_page(bucket: str) -> None:
    data = bytes(range(256)) * 50_000  # 12.8 MB: more than one multipart part
    storage.write_bytes("s3://tennis/big", data, "test")
    assert storage.read_bytes("s3://tennis/big", "test") == data
    client = s3_client(bucket)
    for n in range(1005):
        client.put_object(Bucket="tennis", Key=f"many/{n:04d}.csv", Body=b"x")
    assert len(storage.list_files("s3://tennis/many", "test")) == 1005


@pytest.mark.service
def test_an_s3_object_appears_only_when_it_was_written_whole(bucket: str) -> None:
    with pytest.raises(RuntimeError), storage.atomic_file("s3://tennis/x", "test") as path:
        path.write_text("half")
        raise RuntimeError
    assert storage.stat("s3://tennis/x", "test") is None


@pytest.mark.service
def test_a_bucket_that_does_not_exist_is_an_error_that_a_retry_cannot_mend(bucket: str) -> None:
    with pytest.raises(OutputError, match=r"cannot write s3://nowhere/x.*NO_SUCH_BUCKET"):
        storage.write_bytes("s3://nowhere/x", b"1", "test")


@pytest.mark.service
@pytest.mark.parametrize("place", ["{tmp}/part", "s3://tennis/part", "gs"])
def test_a_file_that_stands_is_not_replaced(
    bucket: str, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "gs":  # a store without conditional writes
        monkeypatch.setattr(storage, "find_spec", lambda _: None)
        place = "s3://tennis/unconditional"
    uri = place.format(tmp=tmp_path)
    for data, stands, wanted in ((b"1", True, b"1"), (b"2", True, b"1"), (b"3", False, b"3")):
        asked: list[bool] = []

        def leave(asked: list[bool] = asked, stands: bool = stands) -> bool:
            asked.append(stands)
            return stands

        with storage.atomic_file(uri, "test", leave) as path:
            path.write_bytes(data)
        assert storage.read_bytes(uri, "test") == wanted
        assert len(asked) == (data != b"1")
    assert [file.name for file in tmp_path.iterdir()] == (["part"] if "s3" not in place else [])


def test_a_file_is_private_until_it_is_whole(tmp_path: Path) -> None:
    with storage.atomic_file(f"{tmp_path}/x/file") as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.write_text("whole")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "x/file").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("place", ["{tmp}/new/x.json", "s3://tennis/new/x.json"])
def test_of_several_that_create_a_file_one_wins(tmp_path: Path, bucket: str, place: str) -> None:
    uri = place.format(tmp=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: storage.create_bytes(uri, b"%d" % n, "test"), range(8)))
    assert sum(won) == 1
    assert storage.read_bytes(uri, "test") == b"%d" % won.index(True)
    assert not storage.create_bytes(uri, b"late", "test")
    assert [file.uri for file in storage.list_files(storage.parent(uri), "test")] == [uri]


def test_creating_where_there_is_no_bucket_is_an_error_that_a_retry_cannot_mend(bucket: str) -> None:
    with pytest.raises(OutputError, match=r"cannot write s3://nowhere/x.*NO_SUCH_BUCKET"):
        storage.create_bytes("s3://nowhere/x", b"1", "test")


def test_many_files_are_written_at_once_with_few_descriptors(tmp_path: Path) -> None:
    script = (
        "import resource, sys\nfrom contextlib import ExitStack\n"
        "from airflow_batchscore.data.storage import atomic_file\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "with ExitStack() as files:\n"
        "    for n in range(300):\n"
        "        files.enter_context(atomic_file(f'{sys.argv[1]}/p={n}/x')).write_bytes(b'1')\n"
    )
    run_command([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)
    assert len(list(tmp_path.glob("p=*/x"))) == 300


_HOLD = """
import sys, time
from airflow_batchscore.data.storage import atomic_file
with atomic_file(sys.argv[1]) as path:
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
        foreign = [tmp_path / f".tmp-0123456789ab-1-99-aa-{name}" for name in ("recent", "old")]
        for path in foreign:
            path.touch()
        os.utime(foreign[1], (0, 0))
        storage.write_bytes(str(tmp_path / "new"), b"1")
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
        script = "from airflow_batchscore.data.local import scratch_file\nwith scratch_file(): pass"
        run_command([sys.executable, "-c", script], check=True, env=environment, timeout=60)
        (left,) = tmp_path.iterdir()
        assert f"-{writers[2].pid}-" in left.name
        assert stat.S_IMODE(left.stat().st_mode) == 0o600
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


def test_a_name_that_no_disk_takes_is_refused_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        storage.write_bytes(str(tmp_path / ("x" * 300) / "y"), b"")
