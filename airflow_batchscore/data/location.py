"""Where a URI points: stores are named, never described. Servers, keys and options come from connections alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

#: Also with the alias of a model that lies in the bucket itself: ``s3://models@champion``.
_BUCKET = re.compile(r"[A-Za-z0-9._-]+(@[A-Za-z0-9._-]+)?")
_S3, _GS, _ABFS = ("s3", "s3a", "s3n"), ("gs", "gcs"), ("abfs", "abfss")
_AZURE_CLOUD = (
    r"(?P<account>[a-z0-9]+)\.(dfs|blob)\.(?P<cloud>core\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net))"
)
_AZURE = re.compile(rf"((?P<container>[$A-Za-z0-9-]+)@)?{_AZURE_CLOUD}")


def location(scheme: str, rest: str) -> tuple[str, str]:
    """What follows ``scheme://``, so that one place has one spelling; the path keeps its percent signs.

    Returns:
        ``("s3", "bucket/key")``, ``("gs", "bucket/key")`` or ``("abfs", "account.core.windows.net/container/path")``;
        any other scheme as it is.

    Raises:
        InputError: it holds a user, a password or options, or another server than the store's own.
    """
    authority, _, path = rest.strip("/").partition("/")
    if scheme in (*_S3, *_GS, *_ABFS) and "//" in f"/{path}":
        raise InputError(f"{scheme}://{rest} has an empty segment, a slash too many: what is filled in may end in one")
    if scheme in _S3:
        _require(_is_bucket(authority, path), scheme, authority, "s3://bucket/key")
        return "s3", rest.strip("/")
    if scheme in _GS:
        _require(_is_bucket(authority, path) and not re.search("[?#]", path), scheme, authority, "gs://bucket/key")
        return "gs", rest.strip("/")
    if scheme in _ABFS:
        found = _AZURE.fullmatch(authority)
        plain = "abfs://container@account.dfs.core.windows.net/path"
        if not found or re.search("[?#]", path):
            raise _refused(scheme, authority, plain)
        names = [f"{found['account']}.{found['cloud']}", *([found["container"]] if found["container"] else []), path]
        return "abfs", "/".join(names).strip("/")
    return scheme, rest


def cloud_filesystem(scheme: str, place: str) -> tuple[FileSystem, str]:
    """The filesystem of what `location` gave for ``gs`` or ``abfs``, and the path on it.

    Arrow's own reading of such URIs takes servers and keys from their options, and decodes percent signs.
    """
    if scheme == "gs":
        from pyarrow.fs import GcsFileSystem

        return GcsFileSystem(), place
    from pyarrow.fs import AzureFileSystem

    host, _, path = place.partition("/")
    account, _, cloud = host.partition(".")
    return AzureFileSystem(
        account, blob_storage_authority=f".blob.{cloud}", dfs_storage_authority=f".dfs.{cloud}"
    ), path


def shown(scheme: str, rest: str) -> str:
    """For messages: the server or bucket, without the user, password and options that may stand around it."""
    return f"{scheme}://{re.split('[/?#]', rest)[0].rpartition('@')[2]}/..."


def _is_bucket(authority: str, path: str) -> bool:
    return _BUCKET.fullmatch(authority) is not None and ("@" not in authority or not path)


def _require(plain: object, scheme: str, authority: str, form: str) -> None:
    if not plain:
        raise _refused(scheme, authority, form)


def _refused(scheme: str, authority: str, form: str) -> InputError:
    return InputError(
        f"{shown(scheme, authority)} is not written plainly, as {form}. A user, a connection, a password, a "
        "server and options stand in no URI; they come from the Airflow connection only, which conn_id= names"
    )
