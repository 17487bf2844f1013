"""An input file is held to what it was when it was looked at, as long as it is open."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from support import ROOT, s3_client, s3_options

from airflow_batchscore.data import s3
from airflow_batchscore.data.opened import look, open_input
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
    before = look(str(file))
    assert look(str(file)) == before
    assert (before.size, str(file.stat().st_ino) in before.tag) == (9, True)
    _replace(file)
    assert look(str(file)).size == before.size
    assert look(str(file)).tag != before.tag


def test_permissions_are_not_part_of_what_identifies_bytes(file: Path) -> None:
    before = look(str(file))
    file.chmod(0o600)
    now = look(str(file))
    assert (now.size, now.tag) == (before.size, before.tag)
    assert now.changed != before.changed


def test_what_is_open_is_read_to_its_end_whatever_takes_its_place_and_then_refused(file: Path) -> None:
    with pytest.raises(InputError, match=_CHANGED), open_input(str(file)) as opened:
        _replace(file)
        assert opened.file.read() == b"id,a\n1,2\n"
    with pytest.raises(InputError, match=_CHANGED), open_input(str(file)) as opened:
        file.unlink()
        assert opened.file.read() == b"id,a\n1,3\n"


def test_another_file_than_the_one_expected_is_refused_before_it_is_read(file: Path) -> None:
    expected = look(str(file))
    _replace(file)
    with pytest.raises(InputError, match=_CHANGED), open_input(str(file), None, expected):
        pytest.fail("it was opened")
    file.unlink()
    with (
        pytest.raises(InputError, match=r"x\.csv is gone since this task first looked at it"),
        open_input(str(file), None, expected),
    ):
        pytest.fail("it was opened")
    with pytest.raises(FileNotFoundError), open_input(str(file)):
        pytest.fail("it was opened")


def test_an_edit_in_place_shows_although_its_time_was_put_back(file: Path) -> None:
    found = file.stat()
    with pytest.raises(InputError, match=f"{_CHANGED} .*replaced, edited in place or put back"), open_input(str(file)):
        with file.open("r+b") as written:
            written.write(b"ID")
        os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_what_looks_like_damage_is_said_to_be_a_change(file: Path) -> None:
    with pytest.raises(InputError, match=f"{_CHANGED} .9 bytes, .*; now 4 bytes") as raised, open_input(str(file)):
        os.truncate(file, 4)
        raise ValueError("no such row")
    assert isinstance(raised.value.__context__, ValueError)
    with pytest.raises(ValueError, match="no such row"), open_input(str(file)):
        raise ValueError("no such row")


def test_a_packed_file_is_unpacked_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"id\n" * 1_000_000))
    with open_input(str(path)) as opened:
        assert opened.stream().read() == b"id\n" * 1_000_000


@pytest.mark.parametrize("versions", [False, True])
def test_an_object_that_is_put_back_is_not_the_one_that_was_there(moto: str, versions: bool) -> None:
    client = s3_client(moto)
    s3.register("test", s3_options(moto))
    try:
        if versions:
            client.put_bucket_versioning(Bucket="tennis", VersioningConfiguration={"Status": "Enabled"})
        client.put_object(Bucket="tennis", Key="x.csv", Body=b"1")
        before = look("s3://tennis/x.csv", "test")
        assert before.tag == "etag:c4ca4238a0b923820dcc509a6f75849b"
        assert look("s3://tennis/x.csv", "test") == before
        with pytest.raises(InputError, match=_CHANGED), open_input("s3://tennis/x.csv", "test"):
            client.put_object(Bucket="tennis", Key="x.csv", Body=b"2")
        if versions:  # without them, a store tells it by its time, in whole seconds
            client.put_object(Bucket="tennis", Key="x.csv", Body=b"1")
            now = look("s3://tennis/x.csv", "test")
            assert (now.size, now.tag) == (before.size, before.tag)
            with (
                pytest.raises(InputError, match="replaced, edited in place or put back"),
                open_input("s3://tennis/x.csv", "test", before),
            ):
                pytest.fail("it was opened")
        client.delete_object(Bucket="tennis", Key="x.csv")
        with (
            pytest.raises(InputError, match=r"x\.csv is gone"),
            open_input("s3://tennis/x.csv", "test", before),
        ):
            pytest.fail("it was opened")
    finally:
        s3.forget("test")


def test_inputs_are_opened_in_one_place() -> None:
    # The others read what this package wrote itself: JSON, parts, sorted rows, published files.
    allowed = {"data/opened.py", "data/storage.py", "data/parquet_footer.py", "scoring/groups.py"}
    package = ROOT / "airflow_batchscore"
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "open_input_file(" in path.read_text() or "open_input_stream(" in path.read_text()
    }
    assert {name for name in found if not name.startswith("publish/")} == allowed
