"""Airflow connections become options of storage."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packages import install

from airflow_batchscore import Delta, Iceberg
from airflow_batchscore.connections import connect, connect_table
from airflow_batchscore.data.storage import Location, credentials
from airflow_batchscore.data.storage.registry import GROUP
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.dag


@pytest.fixture(autouse=True)
def nothing_registered() -> Iterator[None]:
    before = credentials.registered()
    yield
    for name in set(credentials.registered()) - set(before):
        credentials.forget(name)


def _connection(monkeypatch: pytest.MonkeyPatch, name: str, **fields: Any) -> str:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))
    return name


@pytest.mark.parametrize("uri", ["s3://b/x", "gs://b/x", "az://c/x", "abfs://c@store.dfs.core.windows.net/x"])
def test_a_connection_that_a_dag_names_must_exist(uri: str) -> None:
    with pytest.raises(InputError, match=f"^{uri}: the connection 'nowhere' does not exist"):
        connect(Location(uri, "nowhere"))


@pytest.mark.parametrize("uri", ["gs://b/x", "abfs://c@store.dfs.core.windows.net/x"])
def test_without_the_default_connection_the_machines_own_identity_is_used(uri: str) -> None:
    name = connect(Location(uri)).conn_id
    assert name in ("google_cloud_default", "wasb_default")
    assert credentials.registered()[name] == {}


def test_airflows_own_default_connection_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _connection(monkeypatch, "wasb_default", conn_type="wasb", extra={"sas_token": None})
    connect(Location("abfs://c@store.dfs.core.windows.net/x"))
    assert credentials.registered()["wasb_default"] == {}
    _connection(monkeypatch, "google_cloud_default", conn_type="google_cloud_platform", schema="default")
    monkeypatch.setitem(sys.modules, "airflow.providers.google.common.hooks.base_google", None)
    connect(Location("gs://bucket/x"))
    assert credentials.registered()["google_cloud_default"] == {}


def test_a_disk_needs_no_connection() -> None:
    assert connect(Location("/data/x", "any")) == Location("/data/x")


def test_a_connection_for_a_storage_of_another_package_that_takes_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path, "memory", GROUP, {"memory": "memory_store:MemoryStore"})
    assert connect(Location("memory://b/x")) == Location("memory://b/x")
    with pytest.raises(InputError, match="memory://b/x: memory:// takes no connection; leave out conn_id='any'"):
        connect(Location("memory://b/x", "any"))


ENDPOINT = "https://store.blob.core.windows.net"


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"login": "store", "password": "key"}, {"account_key": "key"}),
        ({"host": f"{ENDPOINT}/", "login": "ignored", "password": "key"}, {"account_key": "key"}),
        ({"host": "store.blob.core.windows.net", "extra": {"shared_access_key": "key"}}, {"account_key": "key"}),
        ({"host": "directory", "login": "store", "extra": {"sas_token": "sv=1"}}, {"sas_token": "sv=1"}),
        ({"login": "store", "extra": {"sas_token": f"{ENDPOINT}/?sv=1&sig=2"}}, {"sas_token": "sv=1&sig=2"}),
        (
            {"host": ENDPOINT, "login": "app", "password": "secret", "extra": {"tenant_id": "t"}},
            {"tenant_id": "t", "client_id": "app", "client_secret": "secret"},
        ),
        ({"host": ENDPOINT, "extra": {"managed_identity_client_id": "id"}}, {"client_id": "id"}),
        ({"extra": {"connection_string": "AccountName=store;AccountKey=key"}}, {"account_key": "key"}),
    ],
)
def test_an_azure_connection_means_what_it_means_to_the_provider(
    fields: dict[str, Any], options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = _connection(monkeypatch, "azure_test", conn_type="wasb", **fields)
    connect(Location("az://container/x", name))
    registered = {key: value for key, value in credentials.registered()[name].items() if value is not None}
    assert registered == {"name": "store", "endpoint": ENDPOINT, **options}


def test_an_azure_connection_to_an_emulator_names_its_account_in_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    host = "http://127.0.0.1:10000/local"
    name = _connection(monkeypatch, "azure_test", conn_type="wasb", host=host, extra={"account_key": "key"})
    connect(Location("az://container/x", name))
    registered = credentials.registered()[name]
    assert (registered["name"], registered["endpoint"]) == ("local", host)


def test_an_azure_connection_without_an_account_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    name = _connection(monkeypatch, "azure_test", conn_type="wasb", extra={"account_key": "key"})
    with pytest.raises(InputError, match="names no storage account"):
        connect(Location("az://container/x", name))


@pytest.mark.clouds
def test_a_google_connection_gives_credentials_that_workers_can_renew(monkeypatch: pytest.MonkeyPatch) -> None:
    import cloudpickle
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "me@my-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "http://127.0.0.1:9/token",
    }
    name = _connection(
        monkeypatch, "google_test", conn_type="google_cloud_platform", extra={"keyfile_dict": json.dumps(account)}
    )
    connect(Location("gs://bucket/x", name))
    options = cloudpickle.loads(cloudpickle.dumps(credentials.registered()[name]))
    assert options["project"] == "my-project"
    assert options["credentials"].service_account_email == "me@my-project.iam.gserviceaccount.com"
    assert options["credentials"].sign_bytes(b"x")


@pytest.mark.clouds
def test_a_google_key_that_cannot_be_used_is_an_error_that_names_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = _connection(monkeypatch, "google_test", conn_type="google_cloud_platform", extra={"keyfile_dict": "{}x"})
    with pytest.raises(InputError, match="'google_test' gives no Google credentials"):
        connect(Location("gs://bucket/x", name))


def test_a_google_connection_needs_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    name = _connection(monkeypatch, "google_test", conn_type="google_cloud_platform")
    monkeypatch.setitem(sys.modules, "airflow.providers.google.common.hooks.base_google", None)
    with pytest.raises(InputError, match=r"pip install 'airflow-batchscore\[gcs\]'"):
        connect(Location("gs://bucket/x", name))


def test_a_catalogs_connection_has_the_names_of_pyiceberg(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"conn_type": "iceberg", "host": "http://127.0.0.1:8181", "login": "client", "password": "hidden value"}
    _connection(monkeypatch, "lake", **own, extra={"warehouse": "s3://lake/", "s3.region": "eu-central-1"})
    sql = _connection(monkeypatch, "sql", conn_type="iceberg", extra={"type": "sql"})
    connect_table(Iceberg("tennis.scores", "lake", sql))
    assert credentials.options_of("catalog sql") == {"type": "sql"}
    connect_table(Iceberg("tennis.scores", "lake", "lake"))
    assert credentials.options_of("catalog lake") == {
        "type": "rest",
        "uri": "http://127.0.0.1:8181",
        "credential": "client:hidden value",
        "warehouse": "s3://lake/",
        "s3.region": "eu-central-1",
    }
    before = credentials.registered()
    connect_table(Delta())
    connect_table(None)
    assert credentials.registered() == before
    with pytest.raises(InputError, match="tennis.scores.*the connection 'nowhere' does not exist"):
        connect_table(Iceberg("tennis.scores", "lake", "nowhere"))
