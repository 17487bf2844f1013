"""What all object stores share: a bucket and a key, Arrow for reading and listing, one upload per object."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_batchscore.data.storage.driver import ListedFile, OpenFile, Seen, Stamp, StorageDriver
from airflow_batchscore.data.storage.local_files import scratch_file
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

#: Optionally with the alias of a model that lies in the bucket itself: ``s3://models@champion``.
_BUCKET = re.compile(r"[A-Za-z0-9._-]+(@[A-Za-z0-9._-]+)?")
_PIECE = 8 << 20
#: What else changes when an object is replaced by one with the same ETag, in the metadata that Arrow passes on.
_CHANGES = ("last-modified", "updated", "versionid", "generation")


class ObjectStore(StorageDriver):
    """A `StorageDriver` for ``<scheme>://<bucket>/<key>``. Derive from it and implement `filesystem`.

    Without `head` and `put_if` of its own, of two writers within the time of one upload, the last one wins. Without a
    `put` of its own, an upload that is interrupted can leave an object that is cut off.
    """

    #: Characters that a key may not hold, because other programs take what follows them for options.
    not_in_keys = ""

    @property
    def decides(self) -> bool:
        """Whether the store itself checks the condition of `put_if`."""
        return False

    @property
    def keeps_notes(self) -> bool:
        return self.decides

    def path(self, scheme: str, rest: str) -> str:
        bucket, _, key = rest.strip("/").partition("/")
        self.require_segments(scheme, rest)
        plain = _BUCKET.fullmatch(bucket) and ("@" not in bucket or not key)
        if not plain or any(character in key for character in self.not_in_keys):
            raise not_plain(scheme, rest, f"{self.schemes[0]}://bucket/key")
        return rest.strip("/")

    @staticmethod
    def require_segments(scheme: str, rest: str) -> None:
        """Raise InputError if a segment of the path is empty."""
        if "//" in rest.strip("/"):
            raise InputError(
                f"{scheme}://{rest} has an empty segment, a slash too many: what is filled in may end in one"
            )

    def real(self, path: str) -> str:
        return f"{self.schemes[0]}://{path}".rstrip("/")

    def list(self, path: str, conn_id: str | None, *, recursive: bool) -> Iterator[ListedFile]:
        from pyarrow.fs import FileSelector, FileType

        fs, folder = self.filesystem(path, conn_id)
        for info in fs.get_file_info(FileSelector(folder, allow_not_found=True, recursive=recursive)):
            if info.type == FileType.File:
                below = info.path.lstrip("/")[len(folder.rstrip("/")) + 1 :]
                yield ListedFile(below, info.size, info.mtime_ns or 0)

    @contextmanager
    def open(self, path: str, conn_id: str | None) -> Iterator[OpenFile]:
        fs, name = self.filesystem(path, conn_id)
        with fs.open_input_file(name) as file:
            yield OpenFile(file, self.stamp_of(file, path, conn_id), lambda: self.stamp(path, conn_id))

    def stamp(self, path: str, conn_id: str | None) -> Stamp:
        fs, name = self.filesystem(path, conn_id)
        with fs.open_input_file(name) as file:
            return self.stamp_of(file, path, conn_id)

    def stamp_of(self, file: pa.NativeFile, path: str, conn_id: str | None) -> Stamp:
        """The stamp of an open object: here, from the metadata that came with it."""
        metadata = {_text(name).lower(): _text(value) for name, value in (file.metadata() or {}).items()}
        changed = " ".join(metadata[name] for name in _CHANGES if name in metadata)
        if "etag" in metadata:
            return Stamp(file.size(), f"etag:{metadata['etag'].strip(chr(34))}", changed)
        return Stamp(file.size(), f"changed:{changed}" if changed else "", changed)

    def current(self, path: str, conn_id: str | None) -> Seen | None:
        if self.decides:
            return self.head(path, conn_id)
        try:
            stamp = self.stamp(path, conn_id)
        except FileNotFoundError:
            return None
        return Seen(f"{stamp.size}-{stamp.tag}-{stamp.changed}")

    def head(self, path: str, conn_id: str | None) -> Seen | None:
        """The object's tag, as `put_if` compares it, and its note; None if there is no object."""
        raise NotImplementedError

    def put_if(self, whole: Path, path: str, tag: str | None, conn_id: str | None, *, note: str | None = None) -> bool:
        """Upload a file if the object there has that tag (None: if there is none). The store decides, if `decides`.

        Returns:
            False if there is a different object; it is left unchanged.

        Raises:
            OSError: the store did not accept it.
        """
        raise NotImplementedError

    def new_file(self, path: str) -> AbstractContextManager[Path]:
        return scratch_file()

    def put(self, whole: Path, path: str, conn_id: str | None) -> None:
        fs, name = self.filesystem(path, conn_id)
        # The object appears when the stream is closed, which its destructor does too, after an error as well.
        with open(whole, "rb") as source, fs.open_output_stream(name) as sink:
            shutil.copyfileobj(source, sink, _PIECE)

    def create(self, whole: Path, path: str, conn_id: str | None) -> bool:
        return self.replace(whole, path, None, conn_id, note=None, before=None)

    def replace(
        self,
        whole: Path,
        path: str,
        seen: Seen | None,
        conn_id: str | None,
        *,
        note: str | None,
        before: Callable[[], None] | None,
    ) -> bool:
        if before is not None:
            before()
        if self.decides:
            return self.put_if(whole, path, seen.tag if seen else None, conn_id, note=note)
        if self.current(path, conn_id) != seen:
            return False
        self.put(whole, path, conn_id)
        return True


def not_plain(scheme: str, rest: str, form: str) -> InputError:
    """The error for a URI that is not written as `form`; it shows no user, password or options."""
    server = re.split("[/?#]", rest)[0].rpartition("@")[2]
    return InputError(
        f"{scheme}://{server}/... is not written plainly, as {form}. A user, a connection, a password, a server and "
        "options stand in no URI; they come from the Airflow connection only, which conn_id= names"
    )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
