"""Azure Blob Storage and Data Lake Storage. Arrow reads and lists; Azure's client writes, because Arrow's stream shows
readers an empty blob until it is closed.

Options of a connection: fields of `StorageAccount`. Without a connection, the machine's own identity is used.
"""

from __future__ import annotations

import os
import re
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_batchscore.data.storage.credentials import options_of
from airflow_batchscore.data.storage.driver import Seen
from airflow_batchscore.data.storage.object_store import ObjectStore, not_plain
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobServiceClient
    from pyarrow.fs import FileSystem

#: Metadata key of the note stored with a blob.
_NOTE = "batchscore"
_MARK = "Azure Error"
_REFUSED = (
    "AuthenticationFailed",
    "AuthorizationFailure",
    "AuthorizationPermissionMismatch",
    "ContainerNotFound",
    "InvalidAuthenticationInfo",
)
_CLOUD = r"(?P<account>[a-z0-9]+)\.(dfs|blob)\.(?P<cloud>core\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net))"
_AUTHORITY = re.compile(rf"((?P<container>[$A-Za-z0-9-]+)@)?{_CLOUD}")
_ENVIRONMENT = "AZURE_STORAGE_CONNECTION_STRING"


@dataclass(frozen=True)
class StorageAccount:
    """A storage account and how to sign in: by key, by SAS token, as a service principal, or by managed identity.

    Attributes:
        endpoint: URL of its blob service.
        client_id: of a service principal (with `client_secret` and `tenant_id`), or of a managed identity.
    """

    name: str
    endpoint: str
    account_key: str | None = field(default=None, repr=False)
    sas_token: str | None = field(default=None, repr=False)
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)

    @classmethod
    def of_connection_string(cls, text: str) -> StorageAccount:
        """Raises InputError if it names no account."""
        parts = dict(part.split("=", 1) for part in text.strip().strip(";").split(";") if "=" in part)
        name = parts.get("AccountName") or urlsplit(parts.get("BlobEndpoint", "")).netloc.partition(".")[0]
        if not name:
            raise InputError("the Azure connection string names no account: give AccountName= or BlobEndpoint=")
        scheme, suffix = parts.get("DefaultEndpointsProtocol", "https"), parts.get("EndpointSuffix", "core.windows.net")
        endpoint = parts.get("BlobEndpoint", f"{scheme}://{name}.blob.{suffix}")
        sas = parts.get("SharedAccessSignature")
        return cls(name, endpoint.rstrip("/"), account_key=parts.get("AccountKey"), sas_token=sas)


class _AzureStore(ObjectStore):
    """Containers of the account that a path or its connection names."""

    default_conn_id = "wasb_default"
    connection = "airflow_batchscore.connections.azure:options"
    refusals = tuple(f"{_MARK}: [{code}]" for code in _REFUSED)
    error_marks = (_MARK,)
    decides = True

    @abstractmethod
    def account(self, path: str, conn_id: str | None) -> tuple[StorageAccount, str]:
        """The account that holds `path`, and the path in it."""

    def filesystem(self, path: str, conn_id: str | None) -> tuple[FileSystem, str]:
        account, below = self.account(path, conn_id)
        return _filesystem(account), below

    def head(self, path: str, conn_id: str | None) -> Seen | None:
        blob = self._blob(path, conn_id)
        from azure.core.exceptions import ResourceNotFoundError

        with _named_errors():
            try:
                properties = blob.get_blob_properties()
            except ResourceNotFoundError:
                return None
        return Seen(properties.etag, properties.metadata.get(_NOTE))

    def put(self, whole: Path, path: str, conn_id: str | None) -> None:
        blob = self._blob(path, conn_id)
        with _named_errors(), open(whole, "rb") as source:
            blob.upload_blob(source, overwrite=True)

    def put_if(self, whole: Path, path: str, tag: str | None, conn_id: str | None, *, note: str | None = None) -> bool:
        blob = self._blob(path, conn_id)
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceExistsError, ResourceModifiedError

        condition: dict[str, object] = {"overwrite": False}
        if tag is not None:
            condition = {"overwrite": True, "etag": tag, "match_condition": MatchConditions.IfNotModified}
        metadata = {_NOTE: note} if note else None
        with _named_errors(), open(whole, "rb") as source:
            try:
                blob.upload_blob(source, metadata=metadata, **condition)
            except (ResourceExistsError, ResourceModifiedError):
                return False
        return True

    def _blob(self, path: str, conn_id: str | None) -> BlobClient:
        """Azure's client for it. Called before its packages are imported: it says how to install them."""
        account, below = self.account(path, conn_id)
        container, _, name = below.partition("/")
        return _client(account).get_blob_client(container, name)


class Azure(_AzureStore):
    """``abfs://container@account.dfs.core.windows.net/path``; paths are ``account.core.windows.net/container/path``."""

    schemes = ("abfs", "abfss")

    def path(self, scheme: str, rest: str) -> str:
        authority, _, path = rest.strip("/").partition("/")
        self.require_segments(scheme, rest)
        match = _AUTHORITY.fullmatch(authority)
        if not match or re.search("[?#]", path):
            raise not_plain(scheme, rest, "abfs://container@account.dfs.core.windows.net/path")
        return "/".join(name for name in (f"{match['account']}.{match['cloud']}", match["container"], path) if name)

    def account(self, path: str, conn_id: str | None) -> tuple[StorageAccount, str]:
        host, _, below = path.partition("/")
        name, _, cloud = host.partition(".")
        given = _given(conn_id)
        if given is None:
            return StorageAccount(name, f"https://{name}.blob.{cloud}"), below
        if given.name != name:
            raise InputError(
                f"abfs://{host}/... lies in the account {name}, and the connection {conn_id or _ENVIRONMENT} is for "
                f"{given.name}: name the connection for {name} with conn_id="
            )
        return given, below


class AzureByContainer(_AzureStore):
    """``az://container/path``, in the account that the connection names."""

    schemes = ("az",)
    not_in_keys = "?#"

    def account(self, path: str, conn_id: str | None) -> tuple[StorageAccount, str]:
        given = _given(conn_id)
        if given is None:
            raise InputError(
                f"az://{path} names no account, and there is no connection for it: give conn_id=, set {_ENVIRONMENT}, "
                "or write abfs://container@account.dfs.core.windows.net/path"
            )
        return given, path


def _given(conn_id: str | None) -> StorageAccount | None:
    options = options_of(conn_id)
    if options:
        return StorageAccount(**options)
    text = os.environ.get(_ENVIRONMENT)
    return StorageAccount.of_connection_string(text) if text else None


@lru_cache(maxsize=64)
def _filesystem(account: StorageAccount) -> FileSystem:
    from pyarrow.fs import AzureFileSystem

    url = urlsplit(account.endpoint)
    # An emulator has the account in the path of its URL, Azure in the name of its server.
    authority = url.netloc.removeprefix(account.name) if url.netloc.startswith(f"{account.name}.") else url.netloc
    signed_in = {
        "account_key": account.account_key,
        "sas_token": account.sas_token,
        "tenant_id": account.tenant_id,
        "client_id": account.client_id,
        "client_secret": account.client_secret,
    }
    return AzureFileSystem(
        account.name,
        blob_storage_authority=authority,
        dfs_storage_authority=authority.replace(".blob.", ".dfs."),
        blob_storage_scheme=url.scheme,
        dfs_storage_scheme=url.scheme,
        **{name: value for name, value in signed_in.items() if value},
    )


@lru_cache(maxsize=64)
def _client(account: StorageAccount) -> BlobServiceClient:
    try:
        from azure.storage.blob import BlobServiceClient

        credential = _credential(account)
    except ModuleNotFoundError as error:
        raise InputError(
            f"writing to Azure needs the packages azure-storage-blob and azure-identity ({error}): pip install "
            "'airflow-batchscore[azure]', or these two on a worker without Airflow"
        ) from error
    return BlobServiceClient(account.endpoint, credential=credential)


def _credential(account: StorageAccount) -> object:
    if account.account_key:
        return {"account_name": account.name, "account_key": account.account_key}
    if account.sas_token:
        from azure.core.credentials import AzureSasCredential

        return AzureSasCredential(account.sas_token)
    from azure.identity import ClientSecretCredential, DefaultAzureCredential

    if account.client_secret:
        return ClientSecretCredential(str(account.tenant_id), str(account.client_id), account.client_secret)
    return DefaultAzureCredential(managed_identity_client_id=account.client_id)


@contextmanager
def _named_errors() -> Iterator[None]:
    """Raise the errors of Azure's libraries as OSError, with Arrow's names for them."""
    from azure.core.exceptions import AzureError, HttpResponseError

    try:
        yield
    except HttpResponseError as error:
        code = getattr(error, "error_code", None)
        raise OSError(f"{_MARK}: [{getattr(code, 'value', code)}] {error.status_code} {error.message}") from error
    except AzureError as error:
        raise OSError(f"{_MARK}: [{type(error).__name__}] {error}") from error
