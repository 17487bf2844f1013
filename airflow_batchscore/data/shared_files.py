"""The files that the partitions of `partition_by` share: listed and pinned once for all of them, not once for each."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.storage import FileInfo


class SharedFiles:
    """The files as they were when one of their partitions was first asked for, for one moment of a task; for threads.

    Partitions that have files of their own are looked at each time.
    """

    def __init__(self, dataset: PartitionedDataset) -> None:
        self._dataset = dataset
        self._lock = threading.Lock()
        self._listed: tuple[FileInfo, ...] | None = None
        self._pinned: tuple[FileInfo, ...] = ()

    def partition(self, values: Mapping[str, str]) -> Partition:
        """The partition, pinned; see `PartitionedDataset.partition` and `pin`."""
        dataset = self._dataset
        if dataset.by is None:
            return dataset.pin(dataset.partition(values))
        with self._lock:
            # Those of a table may have files of their own, which are known without a look.
            if self._listed is None or dataset.table is not None or set(values) != set(dataset.fields):
                found = dataset.partition(values)
                if found.files != self._listed:
                    self._listed, self._pinned = found.files, dataset.pin(found).files
            return dataset.partition_of({field: values[field] for field in dataset.fields}, self._pinned)

    def pin(self, partition: Partition) -> Partition:
        """A partition that was found, pinned; see `PartitionedDataset.pin`."""
        if self._dataset.by is None:
            return self._dataset.pin(partition)
        with self._lock:
            if self._listed != partition.files:
                self._listed, self._pinned = partition.files, self._dataset.pin(partition).files
            return replace(partition, files=self._pinned)
