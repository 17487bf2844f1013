"""Reads only files that really lie in a folder: on a disk, links leading out of it are not followed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO

from airflow_batchscore.data.storage.errors import reading
from airflow_batchscore.data.storage.files import read_bytes
from airflow_batchscore.data.storage.location import Location
from airflow_batchscore.data.storage.uris import is_within, locate
from airflow_batchscore.errors import InputError


def read_inside(location: Location, *inside: Sequence[str]) -> bytes:
    """`storage.read_bytes` for a file that really lies in one folder of each of `inside`. A store has no links.

    The file is opened once and the open file is checked, so swapping a link meanwhile has no effect.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: a link leads out of the folders.
    """
    if not location.is_local:
        return read_bytes(location)
    path = locate(location.uri)[1]
    with reading(location.uri), open(path, "rb") as source:
        real = _real_path(source, path)
        for folders in inside:
            if not any(is_within(real, folder) for folder in folders):
                raise InputError(
                    f"{location} is a link, or lies behind one, to {real}, outside of {', '.join(folders)}, and was "
                    "not read. Put the files themselves there"
                )
        return source.read()


def _real_path(source: BinaryIO, path: str) -> str:
    by_descriptor = f"/proc/self/fd/{source.fileno()}"
    return os.path.realpath(by_descriptor if os.path.islink(by_descriptor) else path)
