"""A storage driver of another package: what fsspec keeps in memory, as memory://bucket/key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
from pyarrow.fs import FSSpecHandler, PyFileSystem

from airflow_batchscore.data.storage.driver import Stamp
from airflow_batchscore.data.storage.object_store import ObjectStore


class _Files(FSSpecHandler):
    def open_input_file(self, path: str) -> pa.NativeFile:
        return pa.BufferReader(self.fs.cat_file(path))  # what the file system opens has one position for all readers


class MemoryStore(ObjectStore):
    """Any file system of fsspec is added this way."""

    def __init__(self) -> None:
        self._files = fsspec.filesystem("memory")

    def filesystem(self, path: str, conn_id: str | None) -> tuple[PyFileSystem, str]:
        return PyFileSystem(_Files(self._files)), path

    def stamp_of(self, file: Any, path: str, conn_id: str | None) -> Stamp:
        """What tells one content from another: here, the time at which it was written."""
        written = self._files.info(path)["created"].isoformat()
        return Stamp(file.size(), f"written:{written}", written)

    def put(self, whole: Path, path: str, conn_id: str | None) -> None:
        """All of it at once: a stream of this file system shows readers what was written so far."""
        self._files.pipe_file(path, whole.read_bytes())
