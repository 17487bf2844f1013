"""Files that really lie in a folder: on a disk, a link in it that leads out of it is not followed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO

from airflow_batchscore.data import storage
from airflow_batchscore.data.store_errors import reading
from airflow_batchscore.errors import InputError


def read_inside(uri: str, conn_id: str | None, *inside: Sequence[str]) -> bytes:
    """`storage.read_bytes` of what really lies in one folder of each of `inside`. A store has no links.

    The file is opened once, and it is the open file that is looked at: swapping a link meanwhile changes nothing.

    Raises:
        FileNotFoundError: there is none.
        InputError: a link leads out of the folders.
    """
    if not storage.is_local(uri):
        return storage.read_bytes(uri, conn_id)
    path = storage.split_scheme(uri)[1]
    with reading(uri), open(path, "rb") as source:
        there = _real_path(source, path)
        for folders in inside:
            if not any(storage.is_within(there, folder) for folder in folders):
                raise InputError(
                    f"{uri} is a link, or lies behind one, to {there}, outside of {', '.join(folders)}, and was not "
                    "read. Put the files themselves there"
                )
        return source.read()


def _real_path(source: BinaryIO, path: str) -> str:
    by_descriptor = f"/proc/self/fd/{source.fileno()}"
    return os.path.realpath(by_descriptor if os.path.islink(by_descriptor) else path)
