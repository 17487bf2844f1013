"""Adds the file's name to store errors: those Airflow retries, and refusals that a retry cannot change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENAMETOOLONG, ENOSPC

from airflow_batchscore.data.storage.registry import drivers_in_use
from airflow_batchscore.data.storage.uris import is_local, locate
from airflow_batchscore.errors import InputError, OutputError

_ACCESS_ADVICE = "Check the URI, that the folder or bucket exists, and what the connection may do there"


@contextmanager
def reading(uri: str) -> Iterator[None]:
    """Add the URI to errors that hold only the store's answer, keeping their type."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if str(error).startswith(f"cannot read {uri}: "):
            raise
        if _is_refusal(uri, error):
            raise InputError(f"cannot read {uri}: {error}. {_ACCESS_ADVICE}") from error
        raise OSError(f"cannot read {uri}: {error}") from error


@contextmanager
def writing(uri: str) -> Iterator[None]:
    """`reading`, for writes."""
    try:
        yield
    except OSError as error:
        if str(error).startswith("cannot write "):
            raise
        # A store has no folders: what was not found is the bucket.
        missing = isinstance(error, FileNotFoundError) and not is_local(uri)
        if missing or _is_refusal(uri, error) or isinstance(error, FileExistsError):
            raise OutputError(f"cannot write {uri}: {error}. {_ACCESS_ADVICE}") from error
        raise OSError(f"cannot write {uri}: {error}") from error


@contextmanager
def filling(uri: str) -> Iterator[None]:
    """For what writes a file's content: a full disk is named, which the error of a write alone does not do."""
    try:
        yield
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT) and error.filename is None:
            raise OSError(f"cannot write {uri}: {error}. Make room there, and run again") from error
        raise


def _is_refusal(uri: str, error: OSError) -> bool:
    """Whether it is a 'no' that a retry cannot change, as opposed to a store that is down or slow."""
    if isinstance(error, (PermissionError, NotADirectoryError, IsADirectoryError)) or error.errno == ENAMETOOLONG:
        return True
    return any(text in str(error) for text in locate(uri)[0].refusals)


def is_store_error(error: BaseException) -> bool:
    """Whether a store or a disk failed to answer, which a retry may fix, rather than returned damaged bytes.

    Errors of a disk (including network disks) have an errno, which Arrow's errors about damage never have.
    """
    if getattr(error, "errno", None) is not None:
        return True
    return any(mark in str(error) for driver in drivers_in_use() for mark in driver.error_marks)
