"""URIs: which driver serves one, its path, and how paths are put together."""

from __future__ import annotations

import os
import re

from airflow_batchscore.data.storage.driver import StorageDriver
from airflow_batchscore.data.storage.registry import LOCAL, driver_of, schemes
from airflow_batchscore.errors import InputError


def split_scheme(uri: str) -> tuple[str, str]:
    """``s3://bucket/key`` -> ``("s3", "bucket/key")``; a plain path has the scheme ``file``.

    Raises InputError for a URI that holds more than a location; see `StorageDriver.path`.
    """
    scheme, path, _ = _split(uri)
    return scheme, path


def _split(uri: str) -> tuple[str, str, StorageDriver | None]:
    """Scheme and path of `uri`, and its driver; None if none serves the scheme."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return "file", os.path.abspath(os.path.expanduser(uri)), LOCAL
    driver = driver_of(scheme)
    return (driver.schemes[0], driver.path(scheme, rest), driver) if driver else (scheme, rest, None)


def locate(uri: str) -> tuple[StorageDriver, str]:
    """The driver of `uri`, and its path there. Raises InputError if no driver serves its scheme."""
    scheme, path, driver = _split(uri)
    if driver is None:
        known = ", ".join(f"{name}://" for name in schemes())
        server = re.split("[/?#]", path)[0].rpartition("@")[2]
        raise InputError(
            f"cannot open {scheme}://{server}/...: no storage is known for {scheme}://; use a local path or {known}"
        )
    return driver, path


def is_local(uri: str) -> bool:
    """Whether `uri` lies on a local (or mounted) disk."""
    return split_scheme(uri)[0] == "file"


def real(uri: str) -> str:
    """The canonical spelling of a place: a disk path with links resolved, or a store URI without trailing slash."""
    scheme, path, driver = _split(uri)
    return driver.real(path) if driver else f"{scheme}://{path}".rstrip("/")


def is_within(uri: str, folder: str) -> bool:
    """Whether `uri` is `folder` or lies below it; on a disk, with links resolved."""
    return f"{real(uri)}/".startswith(f"{real(folder).rstrip('/')}/")


def join(uri: str, *names: str) -> str:
    """`uri` with path segments appended."""
    return "/".join([uri.rstrip("/"), *names])


def parent(uri: str) -> str:
    """The folder that holds `uri`."""
    return uri.rstrip("/").rsplit("/", 1)[0]
