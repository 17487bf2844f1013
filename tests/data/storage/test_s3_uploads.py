"""An upload to S3 takes its place whole, or not at all."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from s3_server import s3_client, s3_options

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, credentials, s3
from airflow_batchscore.errors import OutputError

pytestmark = pytest.mark.service

FILE = Location("s3://tennis/upload", "test")
MANY = 12 << 20


@pytest.fixture
def bucket(moto: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """moto's address; every file is sent in parts."""
    credentials.register("test", s3_options(moto))
    monkeypatch.setattr(s3, "_ONE_REQUEST", -1)
    monkeypatch.setattr(s3, "_PART", 5 << 20)
    return moto


def test_parts_become_one_object(bucket: str) -> None:
    storage.write_bytes(FILE, b"x" * MANY)
    assert storage.read_bytes(FILE) == b"x" * MANY
    assert s3_client(bucket).head_object(Bucket="tennis", Key="upload")["ETag"].endswith('-3"')


def test_a_task_that_is_killed_in_the_middle_leaves_what_was_there(bucket: str, tmp_path: Path) -> None:
    """Airflow raises SystemExit in a signal handler, wherever the task is."""
    storage.write_bytes(FILE, b"before")
    os.mkfifo(tmp_path / "whole")

    def feed() -> None:
        with suppress(BrokenPipeError), open(tmp_path / "whole", "wb") as whole:
            whole.write(b"x" * MANY)
            whole.flush()
            os.kill(os.getpid(), signal.SIGUSR1)
            whole.write(b"x" * MANY)

    def stop(*_: object) -> None:
        raise SystemExit

    handler = signal.signal(signal.SIGUSR1, stop)
    try:
        threading.Thread(target=feed, daemon=True).start()
        driver, path = storage.locate(FILE.uri)
        with pytest.raises(SystemExit):
            driver.put(tmp_path / "whole", path, "test")
    finally:
        signal.signal(signal.SIGUSR1, handler)
    assert storage.read_bytes(FILE) == b"before"
    assert "Uploads" not in s3_client(bucket).list_multipart_uploads(Bucket="tennis")


def test_a_bucket_that_does_not_exist_is_named(bucket: str) -> None:
    with pytest.raises(OutputError, match=r"cannot write s3://nowhere/x.*NO_SUCH_BUCKET"):
        storage.write_bytes(Location("s3://nowhere/x", "test"), b"1")
