"""Whether partitions are there and complete: one look, one decision, for the sensor and its trigger alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.pattern import partition_key
from airflow_batchscore.data.request import parse_request
from airflow_batchscore.errors import BatchScoreError

#: Looks in a row at a storage that does not answer, until the wait fails.
FAILED_LOOKS = 3

#: Partition key -> (what its files' names and sizes are, when that was first seen in seconds since 1970).
Shapes = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Readiness:
    """What one look at a data set saw.

    Attributes:
        found: partitions that are there and have not changed for as long as was asked.
        missing: keys of partitions that are not there.
        unsettled: keys of partitions with a file that changed more recently.
        shapes: what the next look compares with; empty unless it was asked whether files change.
    """

    found: Sequence[Partition]
    missing: Sequence[str]
    unsettled: Sequence[str]
    shapes: Shapes = field(default_factory=dict)

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


def asked_for(dataset: PartitionedDataset, request: Any) -> list[str] | None:
    """Keys of the partitions waited for (see `parse_request`); None is ready as soon as there is any.

    Raises InputError: the request cannot be read.
    """
    wanted = parse_request(request, dataset.fields, dataset.max_partitions)
    return None if wanted is None else [partition_key(values) for values in wanted]


def list_partitions(dataset: PartitionedDataset) -> dict[str, Partition]:
    """What is there, by its key."""
    return {partition.key: partition for partition in dataset.discover()}


def judge(
    there: Mapping[str, Partition],
    wanted: Sequence[str] | None,
    *,
    stable_for: float | None,
    now: float,
    before: Shapes,
) -> Readiness:
    """What a listing says.

    Args:
        stable_for: seconds for which no file of a partition may have changed; None does not ask.
        now: seconds since 1970 when the listing began, by the clock that `stable_for` is held against.
        before: `Readiness.shapes` of the look before, or nothing. Files that changed in number or size since have
            changed, whatever their modification times say.
    """
    keys = list(there) if wanted is None else wanted
    missing = [key for key in keys if key not in there]
    found = [key for key in keys if key in there]
    if not stable_for:
        return Readiness([there[key] for key in found], missing, [])
    shapes = {key: _shape(there[key], before.get(key), now) for key in found}
    settled_before = now - stable_for
    unsettled = {
        key
        for key in found
        if shapes[key][1] > settled_before or max(file.mtime_ns for file in there[key].files) > settled_before * 1e9
    }
    return Readiness(
        [there[key] for key in found if key not in unsettled], missing, [k for k in found if k in unsettled], shapes
    )


def _shape(partition: Partition, before: Sequence[Any] | None, now: float) -> list[Any]:
    """The partition's shape and since when it has it; a first look knows nothing of the time before."""
    if before is None:
        return [partition.shape, 0.0]
    return list(before) if before[0] == partition.shape else [partition.shape, now]


def look(
    dataset: PartitionedDataset, request: Any, *, stable_for: float | None, now: float, before: Shapes | None = None
) -> Readiness:
    """Look at storage once; see `asked_for` and `judge`."""
    wanted = asked_for(dataset, request)
    return judge(list_partitions(dataset), wanted, stable_for=stable_for, now=now, before=before or {})


def after(error: Exception, in_a_row: int) -> Literal["again", "failed", "fatal"]:
    """What a wait does when a look raised `error`, the `in_a_row`-th look in a row that raised.

    ``again``: storage did not answer, and is asked again at the next look. ``failed``: it did not answer
    `FAILED_LOOKS` times in a row, or something else went wrong; the task fails, and its retries start over.
    ``fatal``: a retry cannot fix it.
    """
    if isinstance(error, BatchScoreError):
        return "fatal"
    return "again" if isinstance(error, OSError) and in_a_row < FAILED_LOOKS else "failed"
