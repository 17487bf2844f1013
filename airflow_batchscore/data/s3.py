"""S3: connections by name, known to this process only, and the one write that Arrow cannot do.

A connection's credentials are registered once a process under the connection's name (`register`); datasets, blocks
and jobs carry that name only, so that no secret enters a task graph, a manifest or a log line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

#: Keyword arguments of ``pyarrow.fs.S3FileSystem`` by connection name.
_options: dict[str, dict[str, Any]] = {}


def register(conn_id: str, options: Mapping[str, Any]) -> None:
    """Make `conn_id` usable in this process: `options` are arguments of ``S3FileSystem``."""
    if _options.get(conn_id) != dict(options):
        _options[conn_id] = dict(options)
        filesystem.cache_clear()
        _client.cache_clear()


def forget(conn_id: str) -> None:
    """Take back what was registered under that name."""
    _options.pop(conn_id, None)
    filesystem.cache_clear()
    _client.cache_clear()


def registered() -> dict[str, dict[str, Any]]:
    """Every registered connection, to hand on to worker processes over a private channel."""
    return dict(_options)


@cache
def filesystem(conn_id: str | None) -> FileSystem:
    """Arrow's, with the options of a connection."""
    from pyarrow.fs import S3FileSystem

    options = _options.get(conn_id, {}) if conn_id else _endpoint_of_environment()
    # A small object is then one request, not the three of a multipart upload.
    return S3FileSystem(**{"allow_delayed_open": True, **options})


def _endpoint_of_environment() -> dict[str, Any]:
    """The server that boto3 would use without a connection; Arrow does not look there by itself."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return {}
    scheme, _, place = endpoint.partition("://")
    return {"scheme": scheme, "endpoint_override": place}


def put_new(path: str, data: bytes, conn_id: str | None) -> bool:
    """Write an object (``bucket/key``) unless there is one, decided by the store: ``PUT`` with ``If-None-Match: *``.

    Returns:
        False when there is one already; it is left as it is.

    Raises:
        OSError: the store did not take it.
        ModuleNotFoundError: boto3 is not installed; Arrow has no such write.
    """
    client = _client(conn_id)
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = path.partition("/")
    try:
        try:
            client.put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
        except ClientError as error:
            # 409: somebody else's write of it was under way, and may have failed since.
            if error.response["Error"]["Code"] != "ConditionalRequestConflict":
                raise
            client.put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 412:
            return False
        # As Arrow spells them: NoSuchBucket is NO_SUCH_BUCKET.
        code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error.response["Error"]["Code"]).upper()
        raise OSError(f"AWS Error {code}: {error}") from error
    except BotoCoreError as error:
        raise OSError(f"AWS Error NETWORK_CONNECTION: {error}") from error
    return True


@cache
def _client(conn_id: str | None) -> Any:
    """boto3's, with the options that Arrow's has."""
    import boto3
    from botocore.config import Config

    options = _options.get(conn_id, {}) if conn_id else {}
    endpoint = options.get("endpoint_override")
    if endpoint and "://" not in endpoint:
        endpoint = f"{options.get('scheme', 'https')}://{endpoint}"
    named = {"connect_timeout": "connect_timeout", "request_timeout": "read_timeout"}
    timeouts = {theirs: options[ours] for ours, theirs in named.items() if ours in options}
    return boto3.client(
        "s3",
        aws_access_key_id=options.get("access_key"),
        aws_secret_access_key=options.get("secret_key"),
        aws_session_token=options.get("session_token"),
        region_name=options.get("region"),
        endpoint_url=endpoint,
        config=Config(request_checksum_calculation="when_required", **timeouts),
    )
