"""`TableDataset`: a dataset at one version of its table, which is looked at once.

Its partitions are made of the data files that the table has at this version. Where the table's own partitions tell
which of them a file is in, the file is of that partition alone; the rows of others are divided as those of any file.
"""

from __future__ import annotations

import logging
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
from airflow_batchscore.data.tables.labelled_files import LabelledFiles, info_of
from airflow_batchscore.data.tables.snapshot import Snapshot
from airflow_batchscore.errors import InputError, listed

log = logging.getLogger(__name__)

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
    def labelled(self) -> LabelledFiles:
        """The files, by what the table tells of their rows."""
        return LabelledFiles(self.seen.files, self._terms)

    def files(self) -> tuple[FileInfo, ...]:
        return tuple(map(info_of, self.seen.files))

    def discover(self) -> list[Partition]:
        from airflow_batchscore.data.counted_rows import require_few, require_names

        if self.by is None:
            groups = self.labelled.whole
            require_few(self, self._terms, len(groups))
            made = [Partition(self._values_of(labels), tuple(files)) for labels, files in groups.items()]
            require_names(self._terms, [partition.values for partition in made])
        else:
            made = self._divided()
        return sorted(made, key=lambda partition: sort_key(partition.values))

    def _values_of(self, labels: Sequence[str]) -> Values:
        return dict(zip(self.fields, labels, strict=True))

    def _divided(self) -> list[Partition]:
        """The partitions that have rows in files which are divided, or files of their own."""
        from airflow_batchscore.data.counted_rows import require_few, require_names, rows_by_partition

        if self.labelled.unlabelled:
            log.warning("%s", self.untold)
        found = rows_by_partition(self, self.labelled.divided, self._require_told)
        counted = {tuple(values.values()): rows for values, rows in found}
        totals = Counter[tuple[str, ...]]()
        for labels, rows in counted.items():
            totals[self.labelled.group(self._values_of(labels))] += rows
        every = dict.fromkeys(self.labelled.whole, 0) | counted
        require_few(self, self._terms, len(every))
        require_names(self._terms, [self._values_of(labels) for labels in self.labelled.whole])
        made = []
        for labels, rows in every.items():
            values = self._values_of(labels)
            files, own = self.labelled.of(values), self.labelled.whole.get(labels, [])
            share = rows, totals[self.labelled.group(values)]
            made.append(self.partition_of(values, files, _with_own(share, files, own) if own else share))
        return made

    def _require_told(self, uri: str, counts: Mapping[tuple[str, ...], int]) -> None:
        """Raise InputError if rows of a file are of another partition than the file is: nobody would score them."""
        for texts, rows in counts.items():
            if any(label not in (None, text) for label, text in zip(self._labels[uri], texts, strict=True)):
                named = {name: label for name, label in zip(self.fields, self._labels[uri], strict=True) if label}
                raise InputError(
                    f"{uri} has {rows} rows of partition {partition_key(self._values_of(texts))}, and all are of "
                    f"{partition_key(named)} by {self.seen.described}: nothing was read. Write the file's rows again"
                )

    @cached_property
    def _labels(self) -> dict[str, tuple[str | None, ...]]:
        return {file.uri: file.labels for file in self.seen.files}

    @property
    def untold(self) -> str:
        """In a sentence, which files lack the partition that others have; empty if there are none."""
        files = self.labelled.unlabelled
        if not files:
            return ""
        return (
            f"{len(files):,} of the {len(self.seen.files):,} files of {self.seen.described} are from before it was "
            f"partitioned as it is now (such as {files[0].uri}), and each partition reads them to find its rows. "
            "Rewrite them once (with Spark: CALL system.rewrite_data_files, with rewrite-all => true)"
        )

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
        files = self.labelled.of(ordered)
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
        if values and self.seen.files:
            own = self.labelled.of(values)
            ends = [(len(each), each[0].uri, each[-1].uri) for each in (own, files) if each]
            assert len({*ends}) < 2, f"{partition_key(values)} was given the files of another partition"
        return super().partition_of(values, files, share)

    def selected(self, partition: Partition, uri: str) -> Values:
        """See `PartitionedDataset.selected`; all of them where the table tells that they are of this partition."""
        return {} if uri in self._whole else super().selected(partition, uri)

    @cached_property
    def _whole(self) -> frozenset[str]:
        return frozenset(file.uri for files in self.labelled.whole.values() for file in files)

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


def _with_own(share: tuple[int, int], files: Sequence[FileInfo], own: Sequence[FileInfo]) -> tuple[int, int]:
    """The share in bytes, of a partition that has files of its own beside those that are divided."""
    (rows, total), stored, whole = share, sum(file.size for file in files), sum(file.size for file in own)
    return whole + (stored - whole) * rows // max(total, 1), stored


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
