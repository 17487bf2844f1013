"""Options of Azure Storage from an Airflow connection of the microsoft-azure provider, of the type ``wasb``.

The fields mean what they mean to the provider's ``WasbHook``.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_batchscore.connections.lookup import find_connection, require_connection
from airflow_batchscore.data.storage.azure import StorageAccount
from airflow_batchscore.data.storage.credentials import StorageOptions
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from airflow.sdk import Connection


def options(conn_id: str, uri: str, *, named: bool) -> StorageOptions:
    """Fields of `airflow_batchscore.data.storage.azure.StorageAccount`; empty for the machine's own identity.

    See `ConnectionOptions`.

    Raises:
        InputError: there is no such connection, or it names no account.
    """
    if named:
        return asdict(_account(conn_id, require_connection(uri, conn_id)))
    connection = find_connection(conn_id)
    if connection is None or not (connection.host or connection.login or any(connection.extra_dejson.values())):
        return {}  # Airflow itself creates a default connection that says nothing
    return asdict(_account(conn_id, connection))


def _account(conn_id: str, connection: Connection) -> StorageAccount:
    extra = connection.extra_dejson

    def setting(name: str) -> str | None:
        return extra.get(name) or extra.get(f"extra__wasb__{name}") or None

    text = setting("connection_string")
    if text:
        return StorageAccount.of_connection_string(text)
    name, endpoint = _endpoint(conn_id, connection)
    tenant = setting("tenant_id")
    if tenant:
        return StorageAccount(
            name, endpoint, tenant_id=tenant, client_id=connection.login, client_secret=connection.password
        )
    sas = setting("sas_token")
    if sas:
        return StorageAccount(name, endpoint, sas_token=sas.rpartition("?")[2])
    key = setting("shared_access_key") or connection.password or setting("account_key")
    return StorageAccount(
        name, endpoint, account_key=key, client_id=None if key else setting("managed_identity_client_id")
    )


def _endpoint(conn_id: str, connection: Connection) -> tuple[str, str]:
    """The account's name and the URL of its blob service, from the host or, without one, the login."""
    host = (connection.host or "").rstrip("/")
    if not host:
        return _by_login(conn_id, connection)
    url = urlsplit(host if "://" in host else f"https://{host}")
    if url.path.strip("/"):  # an emulator: http://127.0.0.1:10000/devstoreaccount1
        return url.path.strip("/").split("/")[0], f"{url.scheme}://{url.netloc}{url.path}"
    if "." in url.netloc:
        return url.netloc.partition(".")[0], f"{url.scheme}://{url.netloc}"
    # The host is the Active Directory id alone.
    return _by_login(conn_id, connection)


def _by_login(conn_id: str, connection: Connection) -> tuple[str, str]:
    if not connection.login:
        raise InputError(f"the connection {conn_id!r} names no storage account: give its URL as the host")
    return connection.login, f"https://{connection.login}.blob.core.windows.net"
