"""What only S3 has: tags, objects of several parts, a server named by the environment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from s3_server import emptied_moto, s3_client, s3_options
from stores import registered

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, credentials, s3, swap
from airflow_batchscore.data.storage.opened import stamp_of

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3 server, under the connection ``test``."""
    endpoint = emptied_moto()
    with registered("test", s3_options(endpoint)):
        yield endpoint


def _replace(location: Location, seen: swap.Seen | None, data: bytes) -> bool:
    with swap.replacing(location, seen) as new:
        new.path.write_bytes(data)
    return new.done


def test_the_tag_of_an_object_is_its_etag(server: str) -> None:
    location = Location("s3://tennis/tags/a b/ü/x.json", "test")
    storage.write_bytes(location, b"{}")
    etag = s3_client(server).head_object(Bucket="tennis", Key="tags/a b/ü/x.json")["ETag"].strip('"')
    assert stamp_of(location).tag == f"etag:{etag}"
    seen = swap.current(location)
    assert seen is not None
    assert seen.tag == etag


def test_all_spellings_of_the_scheme_mean_the_same_object(server: str) -> None:
    storage.write_bytes(Location("s3://tennis/spelled", "test"), b"1")
    assert storage.read_bytes(Location("s3a://tennis/spelled", "test")) == b"1"
    assert storage.real("s3n://tennis/spelled/") == "s3://tennis/spelled"


def test_an_object_of_several_parts_is_written_whole(server: str) -> None:
    data = bytes(range(256)) * 50_000  # 12.8 MB: more than one part of Arrow's
    storage.write_bytes(Location("s3://tennis/big", "test"), data)
    assert storage.read_bytes(Location("s3://tennis/big", "test")) == data


def test_an_object_of_several_parts_is_replaced_on_the_same_condition(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_ONE_REQUEST", 1 << 20)
    monkeypatch.setattr(s3, "_PART", 5 << 20)
    location, data = Location("s3://tennis/swap/large", "test"), b"x" * (12 << 20)
    assert _replace(location, None, data)
    seen = swap.current(location)
    assert not _replace(location, None, data)
    assert _replace(location, seen, data + b"y")
    assert not _replace(location, seen, data + b"z")
    assert storage.read_bytes(location) == data + b"y"
    assert "Uploads" not in s3_client(server).list_multipart_uploads(Bucket="tennis")


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize("end", ["", "/"])
def test_without_a_connection_the_environment_names_the_server(
    server: str, monkeypatch: pytest.MonkeyPatch, variable: str, end: str
) -> None:
    """To Arrow, which reads, and to boto3, which creates."""
    monkeypatch.setenv(variable, server + end)
    for name, value in [("ACCESS_KEY_ID", "test-key"), ("SECRET_ACCESS_KEY", "test-secret"), ("REGION", "us-east-1")]:
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    credentials.forget("no connection")  # so that nothing of an earlier environment is kept
    location = Location(f"s3://tennis/{variable}{len(end)}")
    try:
        assert storage.create_bytes(location, b"1")
        assert storage.read_bytes(location) == b"1"
    finally:
        credentials.forget("no connection")
