"""`PartitionedDataset`: a dataset whose URI has fields, its partitions, and the identity of their bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset_checks import check, require_no_fields, require_utf8
from airflow_batchscore.data.formats.base import Format, ReadSettings, Source
from airflow_batchscore.data.formats.registry import format_named, format_of
from airflow_batchscore.data.found import found, require_as_seen, why_nothing
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.partition import Fingerprint as Fingerprint
from airflow_batchscore.data.partition import InputFile as InputFile
from airflow_batchscore.data.partition import Partition as Partition
from airflow_batchscore.data.partition_by import PartitionBy, parse_partition_by
from airflow_batchscore.data.pattern import UriPattern, Values, listing_root, partition_key, sort_key
from airflow_batchscore.data.request import MOST_PARTITIONS, Request, read_request
from airflow_batchscore.data.storage import FileInfo, Location
from airflow_batchscore.data.storage.opened import stamp_of
from airflow_batchscore.data.tables.folders import require_no_table
from airflow_batchscore.data.tables.kinds import Table
from airflow_batchscore.errors import InputError, listed


@dataclass
class PartitionedDataset:
    r"""Files that share a URI template, one partition for each set of field values.

    Args:
        uri: template such as ``s3://tennis/wta_matches_{year}.csv``; several fields, hive folders
            (``year={year}/``) and a glob after the last field are allowed. A field never spans a ``/``, and a regular
            expression limits it: ``{year:\d{4}}``.
        format: ``"csv"``, ``"parquet"``, ``"jsonl"``, ``"orc"``, or one that an installed package adds. When None,
            it is taken from the suffix: ``.csv``, ``.parquet`` (``.pq``), ``.jsonl`` (``.ndjson``), ``.orc``. CSV and
            JSON Lines may be compressed: ``.csv.gz``, ``.csv.bz2``, ``.csv.zst``, ``.csv.xz``.
        conn_id: Airflow connection for the bytes; None uses the storage's default connection.
        read_options: for CSV ``delimiter``, ``quotechar``, ``encoding``, ``newlines_in_values`` (a quoted field may
            hold line ends; each file is then read as one stream), ``pad_short_rows`` (missing trailing cells of a row
            are empty, not an error), ``null_values`` (list of strings), ``skip_rows``, ``column_names``, ``comment``,
            ``escapechar``, ``decimal``, ``thousands`` and ``date_format`` (docs/how-to/read-csv-files.md); for all
            formats ``column_types`` (``{column: "float64" | "int64" | "string" | "bool"}``, for Parquet and
            ORC also Arrow names such as ``"date32"``).
        max_partitions: limit per request. A trigger form can say ``"0..9999999999"``, which should not fill the
            worker's memory; raise the limit for datasets with more partitions.
        partition_by: divides the rows of the files instead of the files: ``"country"``, ``"user_id % 10"``,
            ``"hash(user_id) % 10"``, ``"month(ts)"`` (also year, day, hour), or a list of these. `uri` then has no
            fields, and may name one file, a glob or a folder. See docs/how-to/one-file-many-partitions.md.
        table: ``Delta()`` or ``Iceberg("tennis.games", catalog=..., conn_id=...)``, whose folder is `uri`. Partitions
            are made by `partition_by`, of the files that the table has at one version: that of the plan, also for the
            tasks that score. See docs/how-to/score-a-table.md.
        version: of the table: a number (Delta) or snapshot (Iceberg), a time (UTC unless it says otherwise), a branch
            or tag (Iceberg). Templated. Default: the newest.
    """

    uri: str
    format: str | None = None
    conn_id: str | None = None
    read_options: JsonObject = field(default_factory=dict)
    max_partitions: int = MOST_PARTITIONS
    partition_by: str | Sequence[str] | None = None
    table: Table | None = None
    version: str | int | None = None

    #: Airflow renders these inside an operator's arguments.
    template_fields: ClassVar[tuple[str, ...]] = ("uri", "conn_id", "version")

    def __post_init__(self) -> None:
        check(self)

    def to_dict(self) -> JsonObject:
        """Plain JSON: the arguments of ``PartitionedDataset(**value)``."""
        return {**asdict(self), "table": self.table and self.table.to_dict()}

    @property
    def pattern(self) -> UriPattern:
        return UriPattern(self.uri)

    @property
    def fields(self) -> tuple[str, ...]:
        return self.pattern.fields if self.terms is None else self.terms.fields

    @property
    def terms(self) -> PartitionBy | None:
        """What `partition_by` says, if it was given."""
        return None if self.partition_by is None else parse_partition_by(self._expressions)

    @property
    def by(self) -> PartitionBy | None:
        """What divides the rows of the files among partitions; None if all rows of a file are in one."""
        return self.terms

    @property
    def root(self) -> str:
        """The folder that its files are in, for messages."""
        return listing_root(self.uri)[0]

    @property
    def covered(self) -> str:
        """What its files match: no output may."""
        return self.uri if self.table is None else f"{self.uri.rstrip('/')}/"

    def fixed(self) -> PartitionedDataset:
        """The dataset at one version of its table, which is looked at now (see `Table.look`); itself if it has none."""
        if self.table is None:
            return self
        from airflow_batchscore.data.tables.table_dataset import at_one_version

        return at_one_version(self)

    def for_workers(self) -> PartitionedDataset:
        """What is needed to read blocks."""
        return self

    def as_read(self, source: Source) -> Source:
        """A file with the columns that count. Raises InputError if it cannot be read."""
        return source

    def stated(self, source: Source) -> Mapping[str, tuple[str | None, str]]:
        """Columns that the dataset has and a file lacks: name -> value of all of its rows, and type."""
        return {}

    @property
    def column_types(self) -> dict[str, str]:
        """Column -> type name of the declared columns."""
        return dict(self.read_options.get("column_types") or {})

    @property
    def settings(self) -> ReadSettings:
        """What a format needs to read the files."""
        return ReadSettings(self.conn_id, self.read_options)

    @property
    def reading(self) -> list[object]:
        """The settings that decide how a file's bytes are read, as JSON: part of every identity."""
        options = sorted((name, str(value)) for name, value in self.read_options.items())
        by = [] if self.partition_by is None else [["partition_by", *self._expressions]]
        return [self.format, options, *by, *([] if self.table is None else [["table", self.table.format]])]

    @property
    def _expressions(self) -> tuple[str, ...]:
        return (self.partition_by,) if isinstance(self.partition_by, str) else tuple(self.partition_by or ())

    def file_format(self, uri: str) -> Format:
        """The format of one file. Raises InputError if it cannot be determined."""
        fmt = format_named(self.format) if self.format else format_of(uri)
        if fmt is not None:
            return fmt
        raise InputError(f"the format of {uri} is not clear from its name; give PartitionedDataset(format=...)")

    def discover(self) -> list[Partition]:
        """Every partition in storage, in order (numbers by value). Rows are read where nothing else tells values."""
        if self.table is not None:
            return self.fixed().discover()
        listing = self._listing(self.uri)
        if self.by is not None:
            from airflow_batchscore.data.counted_rows import rows_by_partition

            files = self._matching(listing)
            require_no_table(self.uri, self.conn_id, listing, files)
            counted = rows_by_partition(self, files) if files else []
            total = sum(rows for _, rows in counted)
            made = (self.partition_of(values, files, (rows, total)) for values, rows in counted)
            return sorted(made, key=lambda partition: sort_key(partition.values))
        groups: dict[str, tuple[Values, list[FileInfo]]] = {}
        pattern = self.pattern
        for info in listing:
            if (values := pattern.match(info.uri)) is not None:
                require_utf8(info.uri)
                groups.setdefault(partition_key(values), (values, []))[1].append(info)
        require_no_table(self.uri, self.conn_id, listing, (info for _, files in groups.values() for info in files))
        return [
            Partition(values, tuple(files))
            for values, files in sorted(groups.values(), key=lambda group: sort_key(group[0]))
        ]

    def files(self) -> tuple[FileInfo, ...]:
        """All files of a dataset whose rows are divided by `partition_by`."""
        if self.table is not None:
            return self.fixed().files()
        return self._matching(self._listing(self.uri))

    def _matching(self, listing: Sequence[FileInfo]) -> tuple[FileInfo, ...]:
        require_no_fields(self)
        pattern = self.pattern
        files = tuple(info for info in listing if pattern.match(info.uri) is not None)
        for file in files:
            require_utf8(file.uri)
        return files

    def _listing(self, uri: str) -> list[FileInfo]:
        storage.split_scheme(uri)  # rejects what the folder listing would not see
        folder, recursive = listing_root(uri)
        return storage.list_files(Location(folder, self.conn_id), recursive=recursive)

    def find(self, request: object = None) -> tuple[list[Partition], list[Values]]:
        """The requested partitions that exist, and the values of those that do not.

        Args:
            request: see `parse_request`; None for all.
        """
        existing, missing, _ = found(self.read(request), self.discover())
        return existing, missing

    def read(self, request: object) -> Request:
        """A request for partitions of this dataset; see `read_request`."""
        return read_request(request, self.fields, self.max_partitions)

    def require(self, request: object = None, among: Sequence[Partition] | None = None) -> list[Partition]:
        """The requested partitions.

        Args:
            among: what `discover` returned, to list storage once only.

        Raises:
            InputError: names each one that is missing, each wildcard that nothing fits, or what has fewer files or
                bytes than the `PartitionSensor` that returned the request saw.
        """
        asked = self.read(request)
        partitions = self.discover() if among is None else among
        existing, missing, unmatched = found(asked, partitions)
        # The version of a table is whole, and compacting leaves it fewer files.
        require_as_seen(asked.seen if self.table is None else {}, existing, missing, self.root)
        if missing or unmatched:
            keys = [partition.key for partition in partitions]
            known = f"there are {len(keys)}, {keys[0]} to {keys[-1]}" if keys else "there is no partition at all"
            what = self._lacking(missing) if missing else f"no partition fits {listed(map(repr, unmatched))}"
            raise InputError(f"{what}; {known} in {self.root}")
        if not existing:
            raise InputError(self._empty())
        return existing

    def _lacking(self, missing: Sequence[Values]) -> str:
        if self.by is not None:
            return f"no row of {self.uri} is in partition {listed(map(partition_key, missing))}"
        names = listed(f"{partition_key(values)} ({self.pattern.fill(values)})" for values in missing)
        return f"no file for partition {names}"

    def _empty(self) -> str:
        return why_nothing(self.uri, self.conn_id)

    def partition(self, values: Mapping[str, str]) -> Partition:
        """One partition by its field values, with as little listing as the template allows."""
        if self.table is not None:
            return self.fixed().partition(values)
        if self.by is not None:
            return self._divided_partition(values)
        pattern = self.pattern
        uri = pattern.fill(values)
        if "*" in uri or pattern.is_folder:
            files = [info for info in self._listing(uri) if pattern.match(info.uri) == dict(values)]
        else:
            info = storage.stat(Location(uri, self.conn_id))
            files = [info] if info else []
        if not files:
            raise InputError(f"partition {partition_key(values)}: no file matches {uri}; it was there when planned")
        return Partition(dict(values), tuple(files))

    def _divided_partition(self, values: Mapping[str, str]) -> Partition:
        if set(values) != set(self.fields):
            raise InputError(f"partition {dict(values)}: the dataset has the fields {list(self.fields)}; plan again")
        files = self.files()
        if not files:
            raise InputError(
                f"partition {partition_key(values)}: no file matches {self.uri}; it was there when planned"
            )
        return self.partition_of({field: values[field] for field in self.fields}, files)

    def partition_of(self, values: Values, files: tuple[FileInfo, ...], share: tuple[int, int] = (1, 1)) -> Partition:
        """A partition that `partition_by` makes of some files; without values all of their rows."""
        return Partition(values, files, self._expressions, share)

    def selected(self, partition: Partition, uri: str) -> Values:
        """Which rows of one of its files are the partition's; empty for all."""
        return {} if self.by is None else partition.values

    def pin(self, partition: Partition) -> Partition:
        """Pin the partition to its current bytes: all readers refuse others.

        One small request per file. Raises InputError if a file is gone.
        """

        def pinned(file: FileInfo) -> FileInfo:
            try:
                stamp = stamp_of(Location(file.uri, self.conn_id))
            except FileNotFoundError:
                raise InputError(self._removed(partition, file.uri)) from None
            return replace(file, size=stamp.size, stamp=stamp)

        return replace(partition, files=tuple(storage.each(pinned, partition.files, self.uri)))

    def _removed(self, partition: Partition, uri: str) -> str:
        return f"partition {partition.key}: {uri} was removed while it was looked at"

    def fingerprint(self, partition: Partition) -> Fingerprint:
        """The identity of the partition's current bytes in storage (one small request per file)."""
        return self.pin(partition).fingerprint
