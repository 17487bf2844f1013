"""URIs name a place in a store, and nothing else."""

from __future__ import annotations

import pytest

from airflow_batchscore.connections import connect
from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.opened import stamp_of
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

CONTAINER = "abfs://data@store.dfs.core.windows.net"


@pytest.mark.parametrize(
    ("uri", "kind", "path"),
    [
        ("gs://tennis/year=1/t%2F1.csv", "gcs", "tennis/year=1/t%2F1.csv"),
        ("gs://tennis", "gcs", "tennis"),
        (f"{CONTAINER}/year=1/t%2F1.csv", "abfs", "data/year=1/t%2F1.csv"),
        (CONTAINER, "abfs", "data"),
        ("abfss://store.blob.core.windows.net/data/a b.csv", "abfs", "data/a b.csv"),
        ("abfs://data@store.dfs.core.usgovcloudapi.net/a.csv", "abfs", "data/a.csv"),
        ("s3://tennis/what?/a#1.csv", "s3", "tennis/what?/a#1.csv"),
        ("s3a://tennis/a@b.csv", "s3", "tennis/a@b.csv"),
    ],
)
def test_a_plain_uri_is_a_path_in_its_store_letter_by_letter(uri: str, kind: str, path: str) -> None:
    filesystem, found = storage.filesystem(Location(uri))
    assert (filesystem.type_name, found) == (kind, path)


def test_an_azure_account_is_asked_at_its_own_cloud() -> None:
    from pyarrow.fs import AzureFileSystem

    here, _ = storage.filesystem(Location(f"{CONTAINER}/a.csv"))
    assert here == AzureFileSystem("store")
    there, _ = storage.filesystem(Location("abfs://data@store.dfs.core.chinacloudapi.cn/a.csv"))
    cloud = "core.chinacloudapi.cn"
    assert there == AzureFileSystem(
        "store", blob_storage_authority=f".blob.{cloud}", dfs_storage_authority=f".dfs.{cloud}"
    )


@pytest.mark.parametrize(
    "uri",
    [
        "gs://tennis/a.csv?endpoint_override=evil.example&scheme=http",
        "gs://tennis?endpoint_override=evil.example",
        "gs://tennis/a.csv#part",
        "gs://anonymous:canary@tennis/a.csv",
        "gs://tennis:9000/a.csv",
        "gs://tenn%69s/a.csv",
        f"{CONTAINER}/a.csv?blob_storage_authority=evil.example",
        f"{CONTAINER}/a.csv?account_key=canary",
        f"{CONTAINER}/a.csv#part",
        f"{CONTAINER}:10000/a.csv",
        "abfs://data:canary@store.dfs.core.windows.net/a.csv",
        "abfs://data@evil.example/a.csv",
        "abfs://data@store.dfs.core.windows.net.evil.example/a.csv",
        "abfs://data@evil.example.dfs.core.windows.net/a.csv",
        "abfs://data@evil.example%2Fstore.dfs.core.windows.net/a.csv",
        "abfs://store@data/a.csv",
        "abfs://data/a.csv",
        "s3://user:canary@tennis/a.csv",
        "s3://tennis?endpoint_override=evil.example",
        "s3://tennis:9000/a.csv",
        "s3://prod@tennis/a.csv",
    ],
)
def test_a_uri_that_says_more_is_refused_wherever_it_is_used(uri: str) -> None:
    folder = uri.replace("a.csv", "{year}.csv")
    for use in (
        lambda: storage.filesystem(Location(uri)),
        lambda: storage.read_bytes(Location(uri)),
        lambda: storage.list_files(Location(uri)),
        lambda: storage.write_bytes(Location(uri), b""),
        lambda: storage.create_bytes(Location(uri), b""),
        lambda: stamp_of(Location(uri)),
        lambda: connect(Location(uri)),
        lambda: PartitionedDataset(folder, format="csv").discover(),
        lambda: PartitionedDataset(folder, format="csv").partition({"year": "1"}),
    ):
        with pytest.raises(InputError, match="come from the Airflow connection only") as refused:
            use()
        assert "canary" not in str(refused.value)


def test_an_unknown_store_is_refused_without_its_password() -> None:
    with pytest.raises(InputError, match=r"ftp://host/\.\.\.: no storage is known for ftp://") as refused:
        storage.filesystem(Location("ftp://me:canary@host/a.csv"))
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("uri", ["s3://tennis//a.csv", "gs://tennis/x//a.csv", f"{CONTAINER}//a.csv"])
def test_a_slash_too_many_is_said_to_be_one(uri: str) -> None:
    with pytest.raises(InputError, match="has an empty segment, a slash too many"):
        storage.filesystem(Location(uri))
