"""The files that the partitions of `partition_by` share: listed and pinned once for all of them, not once for each."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.partition import Fingerprint
from airflow_batchscore.data.storage import FileInfo


def inputs_of(dataset: PartitionedDataset) -> str:
    """Digest of the files that all partitions divide, as they are now.

    Empty if each has files of its own, or if the dataset is a table, whose version tells.
    """
    files = dataset.files() if dataset.by is not None and dataset.table is None else ()
    return digest_of(dataset.pin(dataset.partition_of({}, files))) if files else ""


def digest_of(partition: Partition) -> str:
    """Digest of all bytes of a pinned partition's files, whichever of their rows are its own."""
    return Fingerprint(partition.fingerprint.files).digest


class SharedFiles:
    """The files as they were when one of their partitions was first asked for, for one moment of a task; for threads.

    Partitions that have files of their own are looked at each time.
    """

    def __init__(self, dataset: PartitionedDataset) -> None:
        self._dataset = dataset
        self._lock = threading.Lock()
        self._listed: tuple[FileInfo, ...] | None = None
        self._pinned: dict[FileInfo, FileInfo] = {}

    def partition(self, values: Mapping[str, str]) -> Partition:
        """The partition, pinned; see `PartitionedDataset.partition` and `pin`."""
        dataset = self._dataset
        if dataset.by is None:
            return dataset.pin(dataset.partition(values))
        with self._lock:
            # Those of a table are known without a look, and each partition may have others.
            if dataset.table is not None or set(values) != set(dataset.fields):
                return self._pin(dataset.partition(values))
            if self._listed is None:
                self._listed = dataset.partition(values).files
            return self._pin(dataset.partition_of({field: values[field] for field in dataset.fields}, self._listed))

    def pin(self, partition: Partition) -> Partition:
        """A partition that was found, pinned; see `PartitionedDataset.pin`."""
        if self._dataset.by is None:
            return self._dataset.pin(partition)
        with self._lock:
            return self._pin(partition)

    def _pin(self, partition: Partition) -> Partition:
        new = tuple(file for file in partition.files if file not in self._pinned)
        if new:
            self._pinned.update(zip(new, self._dataset.pin(replace(partition, files=new)).files, strict=True))
        return replace(partition, files=tuple(self._pinned[file] for file in partition.files))
