"""`TableDataset`: a dataset at one version of its table, which is looked at once.

Its partitions are made of the data files that the table has at this version. Where the table's own partitions tell
which of them each file is in, a partition has files of its own; otherwise rows are divided as those of any file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Self

from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.formats.base import Source
from airflow_batchscore.data.partition_by import ROW, PartitionBy
from airflow_batchscore.data.pattern import Values, partition_key, sort_key
from airflow_batchscore.data.storage import FileInfo, Location
from airflow_batchscore.data.tables.snapshot import Snapshot
from airflow_batchscore.errors import InputError, listed

_NONE = Snapshot("", "")


@dataclass
class TableDataset(PartitionedDataset):
    """A table at one version.

    Attributes:
        seen: that version. On workers it has no files.
    """

    seen: Snapshot = field(default=_NONE, repr=False)

    @property
    def by(self) -> PartitionBy | None:
        """None if no file has rows of several partitions."""
        return None if self.seen.is_whole else self.terms

    @property
    def root(self) -> str:
        return self.uri

    @property
    def _terms(self) -> PartitionBy:
        assert self.terms is not None, "a table has partition_by"
        return self.terms

    def fixed(self) -> Self:
        return self

    def for_workers(self) -> Self:
        return replace(self, seen=self.seen.without_files())

    @cached_property
    def _told(self) -> list[int]:
        """Which terms the table tells for each file."""
        every = range(len(self._terms.terms))
        return [place for place in every if all(file.labels[place] is not None for file in self.seen.files)]

    @cached_property
    def _groups(self) -> dict[tuple[str, ...], tuple[FileInfo, ...]]:
        """The files, by the values of those terms."""
        groups: dict[tuple[str, ...], list[FileInfo]] = {}
        for file in self.seen.files:
            group = groups.setdefault(tuple(str(file.labels[place]) for place in self._told), [])
            group.append(FileInfo(file.uri, file.size, file.mtime_ns))
        return {key: tuple(files) for key, files in groups.items()}

    def _group(self, values: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(values[self.fields[place]] for place in self._told)

    def files(self) -> tuple[FileInfo, ...]:
        return tuple(FileInfo(file.uri, file.size, file.mtime_ns) for file in self.seen.files)

    def discover(self) -> list[Partition]:
        from airflow_batchscore.data.counted_rows import require_few, require_names, rows_by_partition

        if self.by is not None:
            files = self.files()
            counted = rows_by_partition(self, files)
            totals = Counter[tuple[str, ...]]()
            for values, rows in counted:
                totals[self._group(values)] += rows
            made = [
                self.partition_of(
                    values, self._groups.get(self._group(values), files), (rows, totals[self._group(values)])
                )
                for values, rows in counted
            ]
        else:
            require_few(self, self._terms, len(self._groups))
            made = [Partition(dict(zip(self.fields, key, strict=True)), files) for key, files in self._groups.items()]
            require_names(self._terms, [partition.values for partition in made])
        return sorted(made, key=lambda partition: sort_key(partition.values))

    def require(self, request: object = None, among: Sequence[Partition] | None = None) -> list[Partition]:
        if not self.seen.version:
            raise InputError(
                f"{self.seen.name} is not there, or nothing was ever written to it: check uri= ({self.uri}), the "
                "table's name and the connections"
            )
        return super().require(request, among)

    def _lacking(self, missing: Sequence[Values]) -> str:
        return f"{self.seen.described} has no rows of partition {listed(map(partition_key, missing))}"

    def _empty(self) -> str:
        return f"{self.seen.described} has no rows"

    def partition(self, values: Mapping[str, str]) -> Partition:
        if set(values) != set(self.fields):
            raise InputError(f"partition {dict(values)}: the dataset has the fields {list(self.fields)}; plan again")
        ordered = {name: values[name] for name in self.fields}
        files = self._groups.get(self._group(ordered), () if self.by is None else self.files())
        if not files:
            raise InputError(
                f"partition {partition_key(ordered)}: {self.seen.described} has no file of it; plan again: clear the "
                "plan's task with all that comes after it"
            )
        return Partition(ordered, files) if self.by is None else self.partition_of(ordered, files)

    def partition_of(self, values: Values, files: tuple[FileInfo, ...], share: tuple[int, int] = (1, 1)) -> Partition:
        """See `PartitionedDataset.partition_of`. Raises AssertionError for the files of another partition.

        Its rows would be taken for missing, and an empty partition is right where rows are divided.
        """
        if values:
            own = self._groups.get(self._group(values), files)
            ends = [(len(each), each[0].uri, each[-1].uri) for each in (own, files) if each]
            assert len({*ends}) < 2, f"{partition_key(values)} was given the files of another partition"
        return super().partition_of(values, files, share)

    def pin(self, partition: Partition) -> Partition:
        """See `PartitionedDataset.pin`; a file that is not the one which the table names is refused, too."""
        pinned = super().pin(partition)
        for stated, file in zip(partition.files, pinned.files, strict=True):
            if file.size != stated.size:
                raise InputError(
                    f"partition {partition.key}: {file.uri} has {file.size} bytes, and {stated.size} by "
                    f"{self.seen.described}: somebody replaced a data file of the table, and it was not read. Restore "
                    "the file, or rewrite the partition with the table's own means"
                )
        return pinned

    def _removed(self, partition: Partition, uri: str) -> str:
        return (
            f"partition {partition.key}: {uri} is gone, which is part of {self.seen.described}: files of old versions "
            "were removed (vacuum, expire_snapshots) or the table is damaged. Plan again to take the newest version "
            "(clear the plan's task with all that comes after it), or give a version= whose files are still there; "
            "keep files for longer than a run takes"
        )

    @cached_property
    def _types(self) -> dict[str, str]:
        return dict(self.seen.types)

    @cached_property
    def _values(self) -> dict[str, dict[str, str | None]]:
        return {file.uri: dict(file.values) for file in self.seen.files}

    def as_read(self, source: Source) -> Source:
        """See `PartitionedDataset.as_read`: without columns that the table no longer has.

        Raises InputError if the names of a file's columns are not those of the table.
        """
        if source.uri not in self._values:  # not a file of the table
            return source
        if self.seen.ids:
            from airflow_batchscore.data.tables.column_ids import require_names

            require_names(source, self.settings, dict(self.seen.ids), self.seen.described)
        return replace(source, columns=tuple(name for name in source.columns if name in self._types))

    def stated(self, source: Source) -> dict[str, tuple[str | None, str]]:
        """See `PartitionedDataset.stated`: columns that stand in the table's log, or are newer than the file."""
        if source.uri not in self._values:
            return {}
        values = self._values[source.uri]
        return {name: (values.get(name), kind) for name, kind in self._types.items() if name not in source.columns}


def at_one_version(dataset: PartitionedDataset) -> TableDataset:
    """Look at the dataset's version of its table; see `Table.look`."""
    assert dataset.table is not None, "asked of tables"
    assert dataset.terms is not None, "a table has partition_by"
    version = "" if dataset.version is None else str(dataset.version)
    seen = dataset.table.look(Location(dataset.uri, dataset.conn_id), version, dataset.terms)
    _require_columns(seen, dataset.terms)
    given = {each.name: getattr(dataset, each.name) for each in fields(dataset)}
    # As a folder, so that all below it counts as the dataset's: outputs are kept apart from it.
    place = f"{dataset.uri.rstrip('/')}/"
    return TableDataset(**{**given, "uri": place, "format": "parquet", "version": seen.version, "seen": seen})


def _require_columns(seen: Snapshot, by: PartitionBy) -> None:
    names = [name for name, _ in seen.types]
    missing = [name for name in by.columns if name not in names and name != ROW]
    if missing and seen.version:
        alike = "".join(f" (is it {name}?)" for name in get_close_matches(missing[0], names, 1))
        raise InputError(f"partition_by: {seen.described} has no column {missing[0]!r}{alike}; it has {listed(names)}")
