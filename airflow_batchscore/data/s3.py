"""S3: connections by name, known to this process only, and the conditional writes that Arrow cannot do.

A connection's credentials are registered once per process under the connection's name (`register`); datasets, blocks
and jobs carry that name only, so that no secret enters a task graph, a manifest or a log line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from pyarrow.fs import FileSystem

#: Files up to this many bytes are sent in one request, the only kind for which every store checks a condition.
_ONE_REQUEST = 4 << 30
#: Others are sent in parts of at least this size.
_PART = 64 << 20
_MOST_PARTS = 9_000
#: Name of the note that stays with an object, among its metadata.
_NOTE = "batchscore"

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
    from botocore.exceptions import ClientError

    bucket, _, key = path.partition("/")
    with _named_errors():
        try:
            try:
                client.put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
            except ClientError as error:
                # 409: somebody else's write of it was under way, and may have failed since.
                if error.response["Error"]["Code"] != "ConditionalRequestConflict":
                    raise
                client.put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
        except ClientError as error:
            if _status(error) == 412:
                return False
            raise
    return True


def head(path: str, conn_id: str | None) -> tuple[str, str | None] | None:
    """ETag of an object (``bucket/key``) and the note that `put_if` left with it; None where there is none.

    Raises:
        OSError: the store did not answer.
    """
    from botocore.exceptions import ClientError

    bucket, _, key = path.partition("/")
    with _named_errors():
        try:
            found = _client(conn_id).head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if _status(error) == 404:
                return None
            raise
    return found["ETag"].strip('"'), found["Metadata"].get(_NOTE)


def put_if(path: str, whole: Path, tag: str | None, conn_id: str | None, *, note: str | None = None) -> bool:
    """Write an object (``bucket/key``) from a file if the one that is there has the ETag `tag`; None: if there is none.

    The store decides. A file of more than 4 GiB goes in parts, and S3 decides when they are put together; as Ceph's
    gateway does not, the object is looked at once more right before.

    Returns:
        False when another object is there; it is left as it is.

    Raises:
        OSError: the store did not take it.
    """
    from botocore.exceptions import ClientError

    bucket, _, key = path.partition("/")
    place = {"Bucket": bucket, "Key": key}
    # Without quotes: S3 takes the ETag either way, Ceph's gateway only so.
    condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
    metadata = {"Metadata": {_NOTE: note}} if note else {}
    with _named_errors(), open(whole, "rb") as source:
        try:
            if whole.stat().st_size <= _ONE_REQUEST:
                _client(conn_id).put_object(**place, Body=source, **condition, **metadata)
                return True
            return _put_parts(place, source, tag, conn_id, condition, metadata)
        except ClientError as error:
            # 404: it was to be replaced, and is gone. 409: somebody else's write is under way.
            if _status(error) in (404, 409, 412) and error.response["Error"]["Code"] != "NoSuchBucket":
                return False
            raise


def _put_parts(
    place: dict[str, str],
    source: BinaryIO,
    tag: str | None,
    conn_id: str | None,
    condition: dict[str, str],
    metadata: dict[str, Any],
) -> bool:
    client = _client(conn_id)
    upload = {**place, "UploadId": client.create_multipart_upload(**place, **metadata)["UploadId"]}
    size = max(_PART, os.fstat(source.fileno()).st_size // _MOST_PARTS + 1)
    done = False
    try:
        parts: list[dict[str, Any]] = []
        while data := source.read(size):
            number = len(parts) + 1
            part = client.upload_part(**upload, PartNumber=number, Body=data)
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        now = head(f"{place['Bucket']}/{place['Key']}", conn_id)
        if (now[0] if now else None) == tag:
            client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **condition)
            done = True
    finally:
        if not done:
            client.abort_multipart_upload(**upload)
    return done


def _status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


@contextmanager
def _named_errors() -> Iterator[None]:
    """boto3's errors as OSError, with the words that Arrow uses for them."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        # As Arrow spells them: NoSuchBucket is NO_SUCH_BUCKET.
        code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error.response["Error"]["Code"]).upper()
        code = "ACCESS_DENIED" if code == "403" else code  # what a HEAD says, which has no body
        raise OSError(f"AWS Error {code}: {error}") from error
    except BotoCoreError as error:
        raise OSError(f"AWS Error NETWORK_CONNECTION: {error}") from error


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
