"""Finds the driver of a URI scheme: the built-in ones, then those that other packages offer by entry point.

An entry point of the group `GROUP` has the scheme as its name, and the driver's class as its value.
"""

from __future__ import annotations

import sys
from functools import cache

from airflow_batchscore.data.storage.azure import Azure, AzureByContainer
from airflow_batchscore.data.storage.driver import StorageDriver
from airflow_batchscore.data.storage.gcs import GoogleCloudStorage
from airflow_batchscore.data.storage.local_disk import LocalDisk
from airflow_batchscore.data.storage.s3 import S3
from airflow_batchscore.entry_points import Door
from airflow_batchscore.errors import InputError

GROUP = "airflow_batchscore.storage"

LOCAL = LocalDisk()
_BUILT_IN: tuple[StorageDriver, ...] = (LOCAL, S3(), GoogleCloudStorage(), Azure(), AzureByContainer())
_BY_SCHEME = {scheme: driver for driver in _BUILT_IN for scheme in driver.schemes}
_DOOR = Door(GROUP, StorageDriver, InputError, frozenset(_BY_SCHEME))  # type: ignore[type-abstract]

#: Drivers of other packages that this process uses.
_in_use: list[StorageDriver] = []


def driver_of(scheme: str) -> StorageDriver | None:
    """The driver for ``scheme://``; None if there is none. Raises InputError if it cannot be loaded."""
    if scheme in _BY_SCHEME:
        return _BY_SCHEME[scheme]
    return _added(scheme, tuple(sys.path)) if scheme in _DOOR.offered() else None


def schemes() -> list[str]:
    """The URI schemes that can be used, each in its canonical spelling."""
    own = [driver.schemes[0] for driver in _BUILT_IN if driver is not LOCAL]
    return [*own, *_DOOR.offered()]


def drivers_in_use() -> tuple[StorageDriver, ...]:
    """The drivers whose errors may be met in this process."""
    return (*_BUILT_IN, *_in_use)


@cache
def _added(scheme: str, path: tuple[str, ...]) -> StorageDriver:
    """The driver that the packages on the import path offer."""
    driver = _DOOR.make(scheme, f"the storage driver of {scheme}://")
    driver.schemes = (scheme,)  # it is found by no other
    _in_use.append(driver)
    return driver
