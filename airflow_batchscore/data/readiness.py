"""Whether partitions are there and complete: one look, one decision, for the sensor and its trigger alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.pattern import partition_key


@dataclass(frozen=True)
class Readiness:
    """What one look at a data set saw.

    Attributes:
        found: partitions that are there and have not changed for as long as was asked.
        missing: keys of partitions that are not there.
        unsettled: keys of partitions with a file that changed more recently.
    """

    found: Sequence[Partition]
    missing: Sequence[str]
    unsettled: Sequence[str]

    @property
    def ready(self) -> bool:
        return bool(self.found) and not self.missing and not self.unsettled

    def describe(self) -> str:
        """For people: what is there and what is waited for."""
        pieces = [f"{len(self.found)} partition(s) ready"]
        if self.missing:
            pieces.append(f"{len(self.missing)} not there: {', '.join(self.missing[:20])}")
        if self.unsettled:
            pieces.append(f"{len(self.unsettled)} still changing: {', '.join(self.unsettled[:20])}")
        return "; ".join(pieces)

    def to_dict(self) -> dict[str, Any]:
        """What the sensor returns by XCom."""
        return {
            "partitions": [partition.values for partition in self.found],
            "files": sum(len(partition.files) for partition in self.found),
            "bytes": sum(partition.size for partition in self.found),
            "each": [[len(partition.files), partition.size] for partition in self.found],
        }


def look(dataset: PartitionedDataset, request: Any, *, stable_for: float | None, now: float) -> Readiness:
    """Look at storage once.

    Args:
        request: the partitions waited for, see `parse_request`; None is ready as soon as there is any.
        stable_for: seconds for which no file of a partition may have changed; None does not ask.
        now: seconds since 1970, by the clock that `stable_for` is held against.
    """
    there, missing = dataset.find(request)
    settled_before = (now - (stable_for or 0)) * 1e9
    unsettled = [
        partition.key
        for partition in there
        if stable_for and max(file.mtime_ns for file in partition.files) > settled_before
    ]
    return Readiness(
        found=[partition for partition in there if partition.key not in unsettled],
        missing=[partition_key(values) for values in missing],
        unsettled=unsettled,
    )
