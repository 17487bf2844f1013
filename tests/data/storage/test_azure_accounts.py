"""How an account signs in, and what its connection string says."""

from __future__ import annotations

import sys

import pytest

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, credentials, swap
from airflow_batchscore.data.storage.azure import StorageAccount
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

KEY = "a2V5"


@pytest.mark.parametrize(
    ("text", "account"),
    [
        (
            f"DefaultEndpointsProtocol=https;AccountName=store;AccountKey={KEY}==;EndpointSuffix=core.windows.net",
            StorageAccount("store", "https://store.blob.core.windows.net", account_key=f"{KEY}=="),
        ),
        (
            "BlobEndpoint=https://store.blob.core.windows.net/;SharedAccessSignature=sv=2024&sig=a%3D",
            StorageAccount("store", "https://store.blob.core.windows.net", None, "sv=2024&sig=a%3D"),
        ),
        (
            f"AccountName=local;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:10000/local;",
            StorageAccount("local", "http://127.0.0.1:10000/local", account_key=KEY),
        ),
    ],
)
def test_a_connection_string_is_read_as_azures_own_clients_read_it(text: str, account: StorageAccount) -> None:
    assert StorageAccount.of_connection_string(text) == account


def test_a_connection_string_without_an_account_is_refused() -> None:
    with pytest.raises(InputError, match="names no account"):
        StorageAccount.of_connection_string("AccountKey=canary")


def test_no_secret_is_shown() -> None:
    shown = repr(StorageAccount("store", "https://x", "canary", "canary", "tenant", "client", "canary"))
    assert "canary" not in shown


def test_a_container_without_an_account_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    with pytest.raises(InputError, match="names no account.*give conn_id="):
        storage.read_bytes(Location("az://container/a.csv"))


def test_the_account_of_a_connection_must_be_the_one_that_the_uri_names() -> None:
    credentials.register("other", {"name": "other", "endpoint": "https://other.blob.core.windows.net"})
    try:
        with pytest.raises(InputError, match="lies in the account store, and the connection other is for other"):
            storage.read_bytes(Location("abfs://data@store.dfs.core.windows.net/a.csv", "other"))
    finally:
        credentials.forget("other")


def test_without_azures_packages_a_write_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "azure"] or ["azure"]:
        monkeypatch.setitem(sys.modules, name, None)
    credentials.register("bare", {"name": "bare", "endpoint": "https://bare.blob.core.windows.net", "account_key": KEY})
    file = Location("az://container/x", "bare")
    try:
        for write in (storage.write_bytes, storage.create_bytes):
            with pytest.raises(InputError, match=r"pip install 'airflow-batchscore\[azure\]'"):
                write(file, b"1")
        with pytest.raises(InputError, match=r"pip install 'airflow-batchscore\[azure\]'"):
            swap.current(file)
    finally:
        credentials.forget("bare")


@pytest.mark.parametrize(
    ("endpoint", "options"),
    [
        ("https://store.blob.core.windows.net", {}),
        (
            "http://127.0.0.1:10000/store",
            {
                **{f"{kind}_storage_authority": "127.0.0.1:10000" for kind in ("blob", "dfs")},
                **{f"{kind}_storage_scheme": "http" for kind in ("blob", "dfs")},
            },
        ),
    ],
)
def test_arrow_asks_the_server_of_the_account(endpoint: str, options: dict[str, str]) -> None:
    from pyarrow.fs import AzureFileSystem

    credentials.register("test", {"name": "store", "endpoint": endpoint, "account_key": KEY})
    try:
        filesystem, path = storage.filesystem(Location("az://container/a.csv", "test"))
        assert filesystem == AzureFileSystem("store", account_key=KEY, **options)
        assert path == "container/a.csv"
    finally:
        credentials.forget("test")
