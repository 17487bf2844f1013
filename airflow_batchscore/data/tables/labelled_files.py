"""The files of a table by what the table tells of their rows: which files a partition has, without a look at a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from airflow_batchscore.data.partition_by import ROW, PartitionBy
from airflow_batchscore.data.storage import FileInfo
from airflow_batchscore.data.tables.snapshot import TableFile

_Texts = tuple[str, ...]


def info_of(file: TableFile) -> FileInfo:
    """As a listing would show it."""
    return FileInfo(file.uri, file.size, file.mtime_ns)


class LabelledFiles:
    """Files with labels for all terms (`whole`), for some of them, or for none.

    A partition has all files whose labels are not those of another: the rows of a file that lacks a label are divided.
    So a file that is added changes no partition that its labels rule out.

    Args:
        files: sorted by URI.
    """

    def __init__(self, files: Iterable[TableFile], by: PartitionBy) -> None:
        self._by = by
        self.every: list[FileInfo] = []
        self.divided: list[FileInfo] = []
        # By the terms that have a label, as places, and by these labels.
        self._groups: dict[tuple[int, ...], dict[_Texts, list[FileInfo]]] = {}
        for file in files:
            info, labels = info_of(file), [(place, text) for place, text in enumerate(file.labels) if text is not None]
            self.every.append(info)
            if len(labels) < len(by.terms):
                self.divided.append(info)
            group = self._groups.setdefault(tuple(place for place, _ in labels), {})
            group.setdefault(tuple(text for _, text in labels), []).append(info)

    @property
    def whole(self) -> Mapping[_Texts, list[FileInfo]]:
        """The files whose rows are all of one partition, by its values."""
        return self._groups.get(tuple(range(len(self._by.terms))), {})

    @property
    def unlabelled(self) -> list[FileInfo]:
        """The files without a label, if others have some."""
        return self._groups.get((), {}).get((), []) if len(self._groups) > 1 else []

    def of(self, values: Mapping[str, str]) -> tuple[FileInfo, ...]:
        """The files that may have rows of a partition, sorted by URI."""
        if ROW in self._by.columns:  # rows are numbered over all files
            return tuple(self.every)
        found = [file for places in self._groups for file in self._labelled(places, values)]
        return tuple(found if len(self._groups) < 2 else sorted(found, key=lambda file: file.uri))

    def has(self, values: Mapping[str, str]) -> bool:
        """Whether labels say that a partition may be there; files without any say nothing, unless all are such."""
        return any(self._labelled(places, values) for places in self._groups if places or len(self._groups) == 1)

    def _labelled(self, places: tuple[int, ...], values: Mapping[str, str]) -> list[FileInfo]:
        return self._groups[places].get(self._texts(places, values), [])

    def _texts(self, places: Iterable[int], values: Mapping[str, str]) -> _Texts:
        return tuple(values[self._by.fields[place]] for place in places)

    @cached_property
    def _always(self) -> tuple[int, ...]:
        """The terms for which all files have a label."""
        return tuple(place for place in range(len(self._by.terms)) if all(place in each for each in self._groups))

    def group(self, values: Mapping[str, str]) -> _Texts:
        """The labels that all files of a partition have; other files have none of its rows."""
        return self._texts(self._always, values)
