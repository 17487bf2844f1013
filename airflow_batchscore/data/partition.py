"""`Partition`: one set of field values with the files that hold its rows, and the identity of their bytes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.data.storage import FileInfo


@dataclass(frozen=True)
class Partition:
    """One set of field values and the files that hold it, sorted by URI.

    Attributes:
        by: what divides the rows of the files among this and other partitions; empty if all are of this one.
        share: its rows, and those of all, if `by` divides them; they are estimates where nobody has counted.
    """

    values: Values
    files: tuple[FileInfo, ...]
    by: tuple[str, ...] = ()
    share: tuple[int, int] = (1, 1)

    @property
    def key(self) -> str:
        return partition_key(self.values)

    @property
    def size(self) -> int:
        """Size in storage, in bytes: its share, if the files hold other partitions, too."""
        rows, total = self.share
        return self.stored * rows // max(total, 1)

    @property
    def stored(self) -> int:
        """Size of its files in storage, in bytes."""
        return sum(file.size for file in self.files)

    @property
    def fingerprint(self) -> Fingerprint:
        """The identity of the bytes read from this partition; requires a partition from `PartitionedDataset.pin`."""

        def identity(file: FileInfo) -> tuple[str, int, str]:
            assert file.stamp is not None, "a partition is pinned before it has a fingerprint"
            return file.uri, file.stamp.size, file.stamp.tag

        selected = (*self.by, *(text for field in self.values.items() for text in field)) if self.by else ()
        return Fingerprint(tuple(map(identity, self.files)), selected)

    @cached_property
    def shape(self) -> str:
        """A value that changes when a file is added, removed, grows or shrinks."""
        shape = json.dumps([[file.uri, file.size] for file in self.files])
        return hashlib.blake2b(shape.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class InputFile:
    """A file as it was read: URI, size in bytes, and ETag (or mtime and inode)."""

    uri: str
    size: int
    tag: str


@dataclass(frozen=True)
class Fingerprint:
    """URI, size in bytes, and ETag (or mtime and inode) of each file of a partition.

    Attributes:
        selected: which of their rows; empty for all.
    """

    files: tuple[tuple[str, int, str], ...]
    selected: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        content = [self.files, self.selected] if self.selected else self.files
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def inputs(self) -> list[InputFile]:
        return [InputFile(*file) for file in self.files]
