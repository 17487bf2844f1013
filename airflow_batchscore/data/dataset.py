"""`PartitionedDataset`: a data set whose URI has fields, its partitions, and the identity of their bytes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

from airflow_batchscore.data import storage
from airflow_batchscore.data.column_types import require_known
from airflow_batchscore.data.opened import look
from airflow_batchscore.data.pattern import UriPattern, Values, listing_root, partition_key, sort_key
from airflow_batchscore.data.request import MOST_PARTITIONS, parse_request, seen_before
from airflow_batchscore.data.storage import FileInfo
from airflow_batchscore.errors import InputError

Format = Literal["csv", "parquet"]

_CSV = (".csv", ".csv.gz")
#: What ``read_options`` may hold for CSV; Parquet files describe themselves.
CSV_OPTIONS = frozenset(
    {"delimiter", "quotechar", "encoding", "newlines_in_values", "pad_short_rows", "null_values", "column_types"}
)

_MOST_NAMED = 20


@dataclass(frozen=True)
class Partition:
    """One set of field values and the files that hold it, sorted by URI."""

    values: Values
    files: tuple[FileInfo, ...]

    @property
    def key(self) -> str:
        return partition_key(self.values)

    @property
    def size(self) -> int:
        """Bytes on storage."""
        return sum(file.size for file in self.files)

    @property
    def fingerprint(self) -> Fingerprint:
        """The identity of the bytes that readers of this partition get; of one that `PartitionedDataset.pin` gave."""

        def identity(file: FileInfo) -> tuple[str, int, str]:
            assert file.stamp is not None, "a partition is pinned before it has a fingerprint"
            return file.uri, file.stamp.size, file.stamp.tag

        return Fingerprint(tuple(map(identity, self.files)))

    @cached_property
    def shape(self) -> str:
        """What changes when a file comes, goes, grows or shrinks."""
        shape = json.dumps([[file.uri, file.size] for file in self.files])
        return hashlib.blake2b(shape.encode(), digest_size=8).hexdigest()


@dataclass
class PartitionedDataset:
    """Files that share a URI template, one partition for each set of field values.

    Args:
        uri: template such as ``s3://tennis/wta_matches_{year}.csv``; several fields, hive folders
            (``year={year}/``) and a glob after the last field are allowed. A field never spans a ``/``.
        format: ``"csv"`` or ``"parquet"``; taken from the suffix (``.csv``, ``.csv.gz``, ``.parquet``) when None.
        conn_id: Airflow connection for the bytes; None is the default connection of the storage.
        read_options: for CSV ``delimiter``, ``quotechar``, ``encoding``, ``newlines_in_values`` (a quoted field may
            hold line ends; each file is then read as one stream), ``pad_short_rows`` (cells left off at the end of a
            row are empty, not an error) and ``null_values`` (list of texts); for CSV and Parquet ``column_types``
            (``{column: "float64" | "int64" | "string" | "bool"}``, for Parquet also Arrow's names, as ``"date32"``).
        max_partitions: that one request may name. A run's form can say ``"0..9999999999"``, and whoever starts it
            should not fill the worker's memory; raise it where a data set has more.
    """

    uri: str
    format: Format | None = None
    conn_id: str | None = None
    read_options: dict[str, Any] = field(default_factory=dict)
    max_partitions: int = MOST_PARTITIONS

    #: Airflow renders these inside an operator's arguments.
    template_fields: ClassVar[tuple[str, ...]] = ("uri", "conn_id")

    def __post_init__(self) -> None:
        if isinstance(self.uri, os.PathLike):
            self.uri = os.fspath(self.uri)
        if not isinstance(self.uri, str):
            raise InputError(f"uri={self.uri!r}: give text, 's3://bucket/key', and its connection as conn_id=")
        self.read_options = dict(self.read_options or {})
        unknown = set(self.read_options) - CSV_OPTIONS
        if unknown:
            raise InputError(f"read_options {sorted(unknown)} are unknown; there are {sorted(CSV_OPTIONS)}")
        if types := self.read_options.get("column_types"):
            is_csv = self.format == "csv" or (self.format is None and self.uri.lower().endswith(_CSV))
            require_known(types, is_csv=is_csv)
        if self.format not in (None, "csv", "parquet"):
            raise InputError(f"format={self.format!r} is unknown; use 'csv' or 'parquet'")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, the arguments of ``PartitionedDataset(**value)``."""
        return asdict(self)

    @property
    def pattern(self) -> UriPattern:
        return UriPattern(self.uri)

    @property
    def fields(self) -> tuple[str, ...]:
        return self.pattern.fields

    @property
    def column_types(self) -> dict[str, str]:
        """Column -> type name, of those that were declared."""
        return dict(self.read_options.get("column_types") or {})

    @property
    def reading(self) -> list[Any]:
        """What decides the values that a file's bytes are read as, as JSON: part of every identity."""
        return [self.format, sorted((name, str(value)) for name, value in self.read_options.items())]

    def file_format(self, uri: str) -> Format:
        """The format of one file. Raises InputError when nothing tells."""
        if self.format:
            return self.format
        name = uri.lower()
        if name.endswith(_CSV):
            return "csv"
        if name.endswith((".parquet", ".pq")):
            return "parquet"
        raise InputError(f"the format of {uri} is not clear from its name; give PartitionedDataset(format=...)")

    def discover(self) -> list[Partition]:
        """Every partition on storage, in order (numbers by size)."""
        groups: dict[str, tuple[Values, list[FileInfo]]] = {}
        pattern = self.pattern
        for info in self._listing(self.uri):
            values = pattern.match(info.uri)
            if values is not None:
                _require_utf8(info.uri)
                groups.setdefault(partition_key(values), (values, []))[1].append(info)
        found = [Partition(values, tuple(files)) for values, files in groups.values()]
        return sorted(found, key=lambda partition: sort_key(partition.values))

    def _listing(self, uri: str) -> list[FileInfo]:
        storage.split_scheme(uri)  # refuses what the listing, which goes by the folder, would not see
        folder, recursive = listing_root(uri)
        return storage.list_files(folder, self.conn_id, recursive=recursive)

    def find(self, request: Any = None) -> tuple[list[Partition], list[Values]]:
        """The partitions asked for that are there, and the values of those that are not.

        Args:
            request: see `parse_request`; None finds all.
        """
        wanted = parse_request(request, self.fields, self.max_partitions)
        there = {partition.key: partition for partition in self.discover()}
        if wanted is None:
            return list(there.values()), []
        found = [there[partition_key(values)] for values in wanted if partition_key(values) in there]
        return found, [values for values in wanted if partition_key(values) not in there]

    def require(self, request: Any = None) -> list[Partition]:
        """The partitions asked for.

        Raises:
            InputError: names each one that is not there, or has fewer files or bytes than the `PartitionSensor` saw
                whose result is the request.
        """
        found, missing = self.find(request)
        self._require_as_seen(request, found, missing)
        if missing:
            there = [partition.key for partition in self.discover()]
            known = f"there are {len(there)}, {there[0]} to {there[-1]}" if there else "there is no partition at all"
            names = ", ".join(f"{partition_key(v)} ({self.pattern.fill(v)})" for v in missing[:_MOST_NAMED])
            more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
            raise InputError(f"no file for partition {names}{more}; {known} in {listing_root(self.uri)[0]}")
        if not found:
            raise InputError(f"no file matches {self.uri}: check the URI and the connection")
        return found

    def _require_as_seen(self, request: Any, found: Sequence[Partition], missing: Sequence[Values]) -> None:
        seen = seen_before(request, self.fields, self.max_partitions)
        lost = [f"{key} is gone" for key in map(partition_key, missing) if key in seen]
        for partition in found:
            files, size = seen.get(partition.key, (0, 0))
            if len(partition.files) < files or partition.size < size:
                lost.append(
                    f"{partition.key} has {len(partition.files)} files of {partition.size} bytes in all, not {files} "
                    f"of {size}"
                )
        if lost:
            named = "; ".join(lost[:_MOST_NAMED])
            raise InputError(
                f"deleted or cut off after the sensor saw it: {named} (in {listing_root(self.uri)[0]}). "
                "Bring the data back, or clear the sensor's task to look again"
            )

    def partition(self, values: Mapping[str, str]) -> Partition:
        """One partition by its field values, with as little listing as the template allows."""
        pattern = self.pattern
        uri = pattern.fill(values)
        if "*" in uri or pattern.is_folder:
            files = [info for info in self._listing(uri) if pattern.match(info.uri) == dict(values)]
        else:
            info = storage.stat(uri, self.conn_id)
            files = [info] if info else []
        if not files:
            raise InputError(f"partition {partition_key(values)}: no file matches {uri}; it was there when planned")
        return Partition(dict(values), tuple(files))

    def pin(self, partition: Partition) -> Partition:
        """The partition held to its bytes as they are now: all that reads it refuses others.

        One small request per file. Raises InputError: a file is gone.
        """

        def pinned(file: FileInfo) -> FileInfo:
            try:
                stamp = look(file.uri, self.conn_id)
            except FileNotFoundError:
                raise InputError(f"partition {partition.key}: {file.uri} was removed while it was looked at") from None
            return replace(file, size=stamp.size, stamp=stamp)

        return replace(partition, files=tuple(storage.each(pinned, partition.files, self.uri)))

    def fingerprint(self, partition: Partition) -> Fingerprint:
        """The identity of the partition's bytes, from storage as it is now (one small request per file)."""
        return self.pin(partition).fingerprint


def _require_utf8(uri: str) -> None:
    try:
        uri.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"the name of the file {os.fsencode(uri)!r} is not UTF-8, so that no manifest or report can name it; "
            "rename it, or give the data set a uri that it does not match"
        ) from None


@dataclass(frozen=True)
class Fingerprint:
    """URI, size in bytes, and ETag, or mtime and inode, of each file of a partition."""

    files: tuple[tuple[str, int, str], ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.files).encode()).hexdigest()

    def to_list(self) -> list[dict[str, Any]]:
        return [{"uri": uri, "size": size, "tag": tag} for uri, size, tag in self.files]
