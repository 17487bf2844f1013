"""What a retry may fix is told from damage, and from a no that stays one."""

from __future__ import annotations

import errno

import pytest

from airflow_batchscore.data.storage.errors import is_store_error, reading, writing
from airflow_batchscore.errors import InputError, OutputError

pytestmark = pytest.mark.unit

DROPPED = [
    OSError(errno.EIO, "Error reading bytes from file. Detail: [errno 5] Input/output error"),
    OSError(errno.ESTALE, "Stale file handle"),
    OSError("When reading information for key 'k' in bucket 'b': AWS Error NETWORK_CONNECTION during GetObject"),
    OSError("google::cloud::Status(UNAVAILABLE: Permanent error in ReadObject(): Connection reset by peer)"),
    OSError("GetProperties failed for 'https://a/b'. Azure Error: [ServerBusy] 503 The server is busy."),
]
REFUSED = [
    ("s3", "AWS Error ACCESS_DENIED during HeadObject operation"),
    ("gs", "google::cloud::Status(PERMISSION_DENIED: Permanent error in GetObjectMetadata(): who@x does not have)"),
    ("gs", "google::cloud::Status(UNAUTHENTICATED: Invalid Credentials)"),
    ("az", "Azure Error: [AuthorizationPermissionMismatch] 403 This request is not authorized"),
    ("az", "Azure Error: [ContainerNotFound] 404 The specified container does not exist."),
]


@pytest.mark.parametrize("error", DROPPED, ids=str)
def test_a_disk_or_store_that_fails_is_asked_again(error: OSError) -> None:
    assert is_store_error(error)
    with pytest.raises(OSError, match="cannot read u: "), reading("u"):
        raise error


@pytest.mark.parametrize(("scheme", "answer"), REFUSED)
def test_a_store_that_says_no_is_not(scheme: str, answer: str) -> None:
    uri = f"{scheme}://bucket/key"
    with pytest.raises(InputError, match="what the connection may do there"), reading(uri):
        raise OSError(answer)
    with pytest.raises(OutputError, match="what the connection may do there"), writing(uri):
        raise OSError(answer)


@pytest.mark.parametrize(
    "error",
    [
        OSError("could not verify page integrity, CRC checksum verification failed for page_ordinal 0"),
        OSError("Couldn't deserialize thrift: TProtocolException: Invalid data"),
        OSError("zlib inflate failed: incorrect header check"),
        ValueError("Parquet magic bytes not found in footer"),
    ],
    ids=str,
)
def test_damage_is_no_error_of_the_store(error: Exception) -> None:
    assert not is_store_error(error)
