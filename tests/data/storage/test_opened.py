"""An input file is held to what it was when it was looked at, as long as it is open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import emptied_moto, s3_client, s3_options
from stores import registered
from support import ROOT

from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.opened import open_input, stamp_of
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

_CHANGED = r"x\.csv changed since this task first looked at it"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.csv"
    path.write_bytes(b"id,a\n1,2\n")
    return path


def _replace(file: Path, data: bytes = b"id,a\n1,3\n") -> None:
    other = file.with_name("other")
    other.write_bytes(data)
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    os.replace(other, file)


def test_a_stamp_tells_a_file_from_another_of_its_name_size_and_time(file: Path) -> None:
    before = stamp_of(Location(str(file)))
    assert stamp_of(Location(str(file))) == before
    assert (before.size, str(file.stat().st_ino) in before.tag) == (9, True)
    _replace(file)
    assert stamp_of(Location(str(file))).size == before.size
    assert stamp_of(Location(str(file))).tag != before.tag


def test_permissions_are_not_part_of_what_identifies_bytes(file: Path) -> None:
    before = stamp_of(Location(str(file)))
    file.chmod(0o600)
    now = stamp_of(Location(str(file)))
    assert (now.size, now.tag) == (before.size, before.tag)
    assert now.changed != before.changed


def test_what_is_open_is_read_to_its_end_whatever_takes_its_place_and_then_refused(file: Path) -> None:
    with pytest.raises(InputError, match=_CHANGED), open_input(Location(str(file))) as opened:
        _replace(file)
        assert opened.file.read() == b"id,a\n1,2\n"
    with pytest.raises(InputError, match=_CHANGED), open_input(Location(str(file))) as opened:
        file.unlink()
        assert opened.file.read() == b"id,a\n1,3\n"


def test_another_file_than_the_one_expected_is_refused_before_it_is_read(file: Path) -> None:
    expected = stamp_of(Location(str(file)))
    _replace(file)
    with pytest.raises(InputError, match=_CHANGED), open_input(Location(str(file)), expected):
        pytest.fail("it was opened")
    file.unlink()
    with (
        pytest.raises(InputError, match=r"x\.csv is gone since this task first looked at it"),
        open_input(Location(str(file)), expected),
    ):
        pytest.fail("it was opened")
    with pytest.raises(FileNotFoundError), open_input(Location(str(file))):
        pytest.fail("it was opened")


def test_an_edit_in_place_shows_although_its_time_was_put_back(file: Path) -> None:
    found = file.stat()
    with (
        pytest.raises(InputError, match=f"{_CHANGED} .*replaced, edited in place or put back"),
        open_input(Location(str(file))),
    ):
        with file.open("r+b") as written:
            written.write(b"ID")
        os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_what_looks_like_damage_is_said_to_be_a_change(file: Path) -> None:
    with (
        pytest.raises(InputError, match=f"{_CHANGED} .9 bytes, .*; now 4 bytes") as raised,
        open_input(Location(str(file))),
    ):
        os.truncate(file, 4)
        raise ValueError("no such row")
    assert isinstance(raised.value.__context__, ValueError)
    with pytest.raises(ValueError, match="no such row"), open_input(Location(str(file))):
        raise ValueError("no such row")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3 server, under the connection ``test``."""
    endpoint = emptied_moto()
    with registered("test", s3_options(endpoint)):
        yield endpoint


@pytest.mark.service
@pytest.mark.parametrize("versions", [False, True])
def test_an_object_that_is_put_back_is_not_the_one_that_was_there(server: str, versions: bool) -> None:
    client, bucket = s3_client(server), "versions" if versions else "tennis"
    location = Location(f"s3://{bucket}/x.csv", "test")
    if versions:
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=bucket, Key="x.csv", Body=b"1")
    before = stamp_of(location)
    assert before.tag == "etag:c4ca4238a0b923820dcc509a6f75849b"
    assert stamp_of(location) == before
    with pytest.raises(InputError, match=_CHANGED), open_input(location):
        client.put_object(Bucket=bucket, Key="x.csv", Body=b"2")
    if versions:  # without them, a store tells it by its time, in whole seconds
        client.put_object(Bucket=bucket, Key="x.csv", Body=b"1")
        now = stamp_of(location)
        assert (now.size, now.tag) == (before.size, before.tag)
        with pytest.raises(InputError, match="replaced, edited in place or put back"), open_input(location, before):
            pytest.fail("it was opened")
    client.delete_object(Bucket=bucket, Key="x.csv")
    with pytest.raises(InputError, match=r"x\.csv is gone"), open_input(location, before):
        pytest.fail("it was opened")


def test_inputs_are_opened_in_one_place() -> None:
    # The others read what this package wrote itself: JSON, and Parquet by its footer; `publish` copies files.
    allowed = {
        *("data/storage/files.py", "data/storage/local_disk.py", "data/storage/object_store.py"),
        "data/formats/parquet_footer.py",
    }
    package = ROOT / "airflow_batchscore"
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "open_input_file(" in path.read_text() or "open_input_stream(" in path.read_text()
    }
    assert {name for name in found if not name.startswith("publish/")} == allowed
