"""What a store said, with the file's name: errors that Airflow retries, and refusals that a retry cannot change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENAMETOOLONG

from airflow_batchscore.errors import InputError, OutputError


@contextmanager
def reading(uri: str) -> Iterator[None]:
    """Name the URI in errors that say only what the store answered, and keep their kind."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if str(error).startswith(f"cannot read {uri}: "):
            raise
        if _is_refusal(error):
            raise InputError(f"cannot read {uri}: {error}. {_ACCESS_ADVICE}") from error
        raise OSError(f"cannot read {uri}: {error}") from error


@contextmanager
def writing(uri: str) -> Iterator[None]:
    """`reading`, for what is written."""
    try:
        yield
    except OSError as error:
        if _is_refusal(error) or isinstance(error, FileExistsError):
            raise OutputError(f"cannot write {uri}: {error}. {_ACCESS_ADVICE}") from error
        raise OSError(f"cannot write {uri}: {error}") from error


#: What a store says that means no, and will mean it tomorrow: S3, Google Cloud Storage, Azure.
_REFUSALS = (
    "ACCESS_DENIED",
    "NO_SUCH_BUCKET",
    "INVALID_ACCESS_KEY_ID",
    "SIGNATURE_DOES_NOT_MATCH",
    "google::cloud::Status(PERMISSION_DENIED",
    "google::cloud::Status(UNAUTHENTICATED",
    "Azure Error: [AuthenticationFailed]",
    "Azure Error: [AuthorizationFailure]",
    "Azure Error: [AuthorizationPermissionMismatch]",
    "Azure Error: [ContainerNotFound]",
)
#: How Arrow begins what a store answered.
_STORES = ("AWS Error", "google::cloud::Status", "Azure Error")
_ACCESS_ADVICE = "Check the URI, that the folder or bucket exists, and what the connection may do there"


def _is_refusal(error: OSError) -> bool:
    """A 'no' that a retry cannot change, as opposed to a store that is down or slow."""
    text = str(error)
    fixed = isinstance(error, (PermissionError, NotADirectoryError, IsADirectoryError)) or error.errno == ENAMETOOLONG
    return fixed or any(word in text for word in _REFUSALS)


def is_store_error(error: BaseException) -> bool:
    """Whether a store or a disk failed to answer, which a retry may fix, rather than gave damaged bytes.

    A disk's error (also one of a network) has a number, which those of Arrow about damage never have.
    """
    return getattr(error, "errno", None) is not None or any(store in str(error) for store in _STORES)
