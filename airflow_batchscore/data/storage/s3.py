"""Amazon S3 and the stores that speak its protocol. Arrow reads and lists; boto3 makes the conditional writes.

Options of a connection: arguments of ``pyarrow.fs.S3FileSystem``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow_batchscore.data.storage.credentials import StorageOptions, options_of, per_connection
from airflow_batchscore.data.storage.driver import Seen
from airflow_batchscore.data.storage.object_store import ObjectStore

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from pyarrow.fs import FileSystem

#: Files up to this size are sent in one request, the only kind for which every store checks a condition.
_ONE_REQUEST = 4 << 30
#: Larger files are sent in parts of at least this size.
_PART = 64 << 20
_MOST_PARTS = 9_000
#: Metadata key of the note stored with an object.
_NOTE = "batchscore"


class S3(ObjectStore):
    """``s3://bucket/key``. Without boto3, writes are unconditional, and one that is interrupted may be cut off."""

    schemes = ("s3", "s3a", "s3n")
    default_conn_id = "aws_default"
    connection = "airflow_batchscore.connections.aws:options"
    refusals = ("ACCESS_DENIED", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH")
    error_marks = ("AWS Error",)

    @property
    def decides(self) -> bool:
        return _has_client()

    def filesystem(self, path: str, conn_id: str | None) -> tuple[FileSystem, str]:
        return _filesystem(conn_id), path

    def head(self, path: str, conn_id: str | None) -> Seen | None:
        from botocore.exceptions import ClientError

        bucket, _, key = path.partition("/")
        with _named_errors():
            try:
                answer = _client(conn_id).head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if _status(error) == 404:
                    return None
                raise
        return Seen(answer["ETag"].strip('"'), answer["Metadata"].get(_NOTE))

    def put(self, whole: Path, path: str, conn_id: str | None) -> None:
        if not self.decides:
            super().put(whole, path, conn_id)
            return
        with _named_errors(), open(whole, "rb") as source:
            _send(source, path, conn_id, {}, {}, lambda: True)

    def put_if(self, whole: Path, path: str, tag: str | None, conn_id: str | None, *, note: str | None = None) -> bool:
        """See `ObjectStore.put_if`.

        A file over 4 GiB is sent in parts, and S3 decides when they are assembled; Ceph's gateway does not, so the
        object is rechecked immediately before.
        """
        from botocore.exceptions import ClientError

        # Without quotes: S3 accepts the ETag either way, Ceph's gateway only so.
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        metadata = {"Metadata": {_NOTE: note}} if note else {}
        with _named_errors(), open(whole, "rb") as source:
            for attempt in (1, 2):
                source.seek(0)
                try:
                    return _send(source, path, conn_id, condition, metadata, lambda: self._is(tag, path, conn_id))
                except ClientError as error:
                    # 409: another write is in progress. Where none may be there, it could fail and leave none.
                    if _status(error) == 409 and tag is None and attempt == 1:
                        continue
                    # 404: the object to replace is gone.
                    if _status(error) in (404, 409, 412) and error.response["Error"]["Code"] != "NoSuchBucket":
                        return False
                    raise
        raise AssertionError("unreachable")

    def _is(self, tag: str | None, path: str, conn_id: str | None) -> bool:
        now = self.head(path, conn_id)
        return (now.tag if now else None) == tag


def _send(
    source: BinaryIO,
    path: str,
    conn_id: str | None,
    condition: dict[str, str],
    metadata: dict[str, dict[str, str]],
    unchanged: Callable[[], bool],
) -> bool:
    """Upload the file. Interrupted, it leaves the object as it was, while a stream of Arrow's is completed when freed.

    Args:
        unchanged: asked immediately before the parts of a large file are assembled; if it is not, nothing changes.
    """
    bucket, _, key = path.partition("/")
    client, place = _client(conn_id), {"Bucket": bucket, "Key": key}
    size = os.fstat(source.fileno()).st_size
    if size <= _ONE_REQUEST:
        client.put_object(**place, Body=source, **condition, **metadata)
        return True
    upload = {**place, "UploadId": client.create_multipart_upload(**place, **metadata)["UploadId"]}
    done = False
    try:
        parts: list[dict[str, object]] = []
        while data := source.read(max(_PART, size // _MOST_PARTS + 1)):
            number = len(parts) + 1
            part = client.upload_part(**upload, PartNumber=number, Body=data)
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        if unchanged():
            client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **condition)
            done = True
    finally:
        if not done:
            client.abort_multipart_upload(**upload)
    return done


@cache
def _has_client() -> bool:
    return find_spec("boto3") is not None


@per_connection
def _filesystem(conn_id: str | None) -> FileSystem:
    from pyarrow.fs import S3FileSystem

    options = options_of(conn_id) or {} if conn_id else _endpoint_of_environment()
    # A small object then takes one request, not the three of a multipart upload.
    return S3FileSystem(**{"allow_delayed_open": True, **options})


def _endpoint_of_environment() -> StorageOptions:
    """The server that boto3 would use without a connection; Arrow does not look there by itself."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return {}
    scheme, _, place = endpoint.partition("://")
    return {"scheme": scheme, "endpoint_override": place}


def _status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


@contextmanager
def _named_errors() -> Iterator[None]:
    """Raise boto3's errors as OSError, with Arrow's error names."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        # As Arrow spells them: NoSuchBucket is NO_SUCH_BUCKET.
        code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error.response["Error"]["Code"]).upper()
        code = "ACCESS_DENIED" if code == "403" else code  # the code of a HEAD response, which has no body
        raise OSError(f"AWS Error {code}: {error}") from error
    except BotoCoreError as error:
        raise OSError(f"AWS Error NETWORK_CONNECTION: {error}") from error


@per_connection
def _client(conn_id: str | None) -> Any:
    """The boto3 client with the same options as Arrow's filesystem."""
    import boto3
    from botocore.config import Config

    options = options_of(conn_id) or {}
    endpoint = options.get("endpoint_override")
    if endpoint and "://" not in endpoint:
        endpoint = f"{options.get('scheme', 'https')}://{endpoint}"
    names = {"connect_timeout": "connect_timeout", "request_timeout": "read_timeout"}
    timeouts = {theirs: options[ours] for ours, theirs in names.items() if ours in options}
    return boto3.client(
        "s3",
        aws_access_key_id=options.get("access_key"),
        aws_secret_access_key=options.get("secret_key"),
        aws_session_token=options.get("session_token"),
        region_name=options.get("region"),
        endpoint_url=endpoint,
        config=Config(request_checksum_calculation="when_required", **timeouts),
    )
