"""Google Cloud Storage. Arrow reads and lists; Google's client makes the writes that a generation decides.

Options of a connection: ``credentials`` (of ``google.auth``) and ``project``, as Google's client takes them.
``STORAGE_EMULATOR_HOST`` names another server, as it does for Google's own client.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_batchscore.data.storage.credentials import options_of, per_connection
from airflow_batchscore.data.storage.driver import Seen
from airflow_batchscore.data.storage.object_store import ObjectStore

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud.storage import Client
    from pyarrow.fs import FileSystem

#: Metadata key of the note stored with an object.
_NOTE = "batchscore"
_RETRY_FOR = timedelta(seconds=60)
#: A token is renewed this long before it expires.
_SPARE = timedelta(minutes=5)
_MARK = "google::cloud::Status"
_NAMES = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}


class GoogleCloudStorage(ObjectStore):
    """``gs://bucket/key``.

    Without the package google-cloud-storage, writes are unconditional, and one that is interrupted may be cut off.
    """

    schemes = ("gs", "gcs")
    default_conn_id = "google_cloud_default"
    connection = "airflow_batchscore.connections.google:options"
    refusals = (f"{_MARK}(PERMISSION_DENIED", f"{_MARK}(UNAUTHENTICATED")
    error_marks = (_MARK,)
    not_in_keys = "?#"

    @property
    def decides(self) -> bool:
        return _has_client()

    def filesystem(self, path: str, conn_id: str | None) -> tuple[FileSystem, str]:
        return _arrow(conn_id).filesystem(), path

    def head(self, path: str, conn_id: str | None) -> Seen | None:
        bucket, _, key = path.partition("/")
        with _named_errors():
            blob = _client(conn_id).bucket(bucket).get_blob(key)
        return None if blob is None else Seen(str(blob.generation), (blob.metadata or {}).get(_NOTE))

    def put(self, whole: Path, path: str, conn_id: str | None) -> None:
        """By Google's client: a stream of Arrow's that is interrupted is completed when freed."""
        if not self.decides:
            super().put(whole, path, conn_id)
            return
        from google.cloud.storage.retry import DEFAULT_RETRY

        bucket, _, key = path.partition("/")
        with _named_errors():
            blob = _client(conn_id).bucket(bucket).blob(key)
            # Repeated, it writes the same bytes.
            blob.upload_from_filename(str(whole), checksum="auto", retry=DEFAULT_RETRY)

    def put_if(self, whole: Path, path: str, tag: str | None, conn_id: str | None, *, note: str | None = None) -> bool:
        from google.api_core.exceptions import PreconditionFailed

        bucket, _, key = path.partition("/")
        with _named_errors():
            blob = _client(conn_id).bucket(bucket).blob(key)
            blob.metadata = {_NOTE: note} if note else None
            try:
                # Generation 0: there is no object.
                blob.upload_from_filename(str(whole), if_generation_match=int(tag or 0), checksum="auto")
            except PreconditionFailed:
                return False
        return True


class _Arrow:
    """Arrow's filesystem for a connection, made anew whenever the token it was given is about to expire."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._made: FileSystem | None = None
        self._until: datetime | None = None

    def filesystem(self) -> FileSystem:
        if self._made is None or (self._until is not None and self._until - _SPARE < _utc_now()):
            self._made = self._make()
        return self._made

    def _make(self) -> FileSystem:
        from pyarrow.fs import GcsFileSystem

        emulator = os.environ.get("STORAGE_EMULATOR_HOST")
        if emulator:
            scheme, _, place = emulator.rpartition("://")
            options = {"scheme": scheme or "http", "endpoint_override": place, "anonymous": True}
            return GcsFileSystem(retry_time_limit=_RETRY_FOR, **options)
        if self._credentials is None:
            return GcsFileSystem(retry_time_limit=_RETRY_FOR)
        from google.auth.credentials import AnonymousCredentials
        from google.auth.transport.requests import Request

        if isinstance(self._credentials, AnonymousCredentials):
            return GcsFileSystem(retry_time_limit=_RETRY_FOR, anonymous=True)
        with _named_errors():
            self._credentials.refresh(Request())
        self._until = self._credentials.expiry
        return GcsFileSystem(
            retry_time_limit=_RETRY_FOR,
            access_token=self._credentials.token,
            credential_token_expiration=self._until,
        )


def _utc_now() -> datetime:
    """As Google's library gives times of expiry: in UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)


@per_connection
def _arrow(conn_id: str | None) -> _Arrow:
    return _Arrow((options_of(conn_id) or {}).get("credentials"))


@per_connection
def _client(conn_id: str | None) -> Client:
    from google.cloud.storage import Client

    return Client(**(options_of(conn_id) or {}))


@cache
def _has_client() -> bool:
    try:
        return find_spec("google.cloud.storage") is not None
    except ModuleNotFoundError:  # not even its parent package
        return False


@contextmanager
def _named_errors() -> Iterator[None]:
    """Raise the errors of Google's libraries as OSError, with Arrow's names for them."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError
    from requests.exceptions import RequestException

    try:
        yield
    except GoogleAPICallError as error:
        name = _NAMES.get(int(error.code or 0), "UNAVAILABLE")
        kind = FileNotFoundError if name == "NOT_FOUND" else OSError
        raise kind(f"{_MARK}({name}: {error})") from error
    except GoogleAuthError as error:
        name = "UNAVAILABLE" if error.retryable else "UNAUTHENTICATED"
        raise OSError(f"{_MARK}({name}: {error})") from error
    except RequestException as error:
        raise OSError(f"{_MARK}(UNAVAILABLE: {error})") from error
