"""Whether partitions exist and are complete: one look, one decision, shared by the sensor and its trigger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from airflow_batchscore.data.amounts import number_of
from airflow_batchscore.data.arrivals import Arrivals
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.pattern import partition_key, values_of
from airflow_batchscore.data.request import Request, SeenPartitions
from airflow_batchscore.data.storage import FileInfo
from airflow_batchscore.data.tables.table_dataset import TableDataset
from airflow_batchscore.errors import BatchScoreError, InputError

#: Consecutive looks without an answer from storage before the wait fails.
FAILED_LOOKS = 3

#: Incremented when the fields of `WaitMemory` change.
SCHEMA = 1


@dataclass(frozen=True)
class Shape:
    """The names and sizes of a partition's files.

    Attributes:
        text: what they are, as `Partition.shape` puts it.
        since: when a look first saw them, in seconds since 1970; 0 if it was the first look of all.
    """

    text: str
    since: float


#: Partition key -> its shape.
Shapes = Mapping[str, Shape]


@dataclass(frozen=True)
class WaitMemory:
    """What a wait remembers from one look to the next, which another process may make.

    Attributes:
        failed: consecutive looks that raised.
        shapes: see `Readiness`.
    """

    failed: int = 0
    shapes: Shapes = field(default_factory=dict)

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        shapes = {key: [shape.text, shape.since] for key, shape in self.shapes.items()}
        return {"schema": SCHEMA, "failed": self.failed, "shapes": shapes}

    @classmethod
    def from_dict(cls, value: JsonMapping | None) -> WaitMemory:
        """The inverse of `to_dict`; empty at the first look, and for what another version of this package wrote."""
        if value is None or value.get("schema") != SCHEMA:
            return cls()
        return cls(value["failed"], {key: Shape(text, since) for key, (text, since) in value["shapes"].items()})


@dataclass(frozen=True)
class Readiness:
    """What one look at a dataset saw.

    Attributes:
        found: partitions that exist and have not changed for as long as requested.
        missing: keys of partitions that do not exist, and wildcards that no partition fits.
        unsettled: keys of partitions with a file that changed more recently.
        shapes: what the next look compares with; empty unless changes are checked.
        late: which of the missing ones should be there, or may be, in sentences.
    """

    found: Sequence[Partition]
    missing: Sequence[str]
    unsettled: Sequence[str]
    shapes: Shapes = field(default_factory=dict)
    late: Sequence[str] = ()

    @property
    def ready(self) -> bool:
        return bool(self.found) and not self.missing and not self.unsettled

    def describe(self) -> str:
        """For display: what exists and what is still missing."""
        pieces = [f"{number_of(len(self.found), 'partition')} ready"]
        if self.missing:
            pieces.append(f"{len(self.missing)} not there: {', '.join(self.missing[:20])}")
        if self.unsettled:
            pieces.append(f"{len(self.unsettled)} still changing: {', '.join(self.unsettled[:20])}")
        return "; ".join([*pieces, *self.late[:20]])

    def to_dict(self) -> JsonObject:
        """What the sensor returns by XCom."""
        values = [partition.values for partition in self.found]
        return SeenPartitions(values, [(len(partition.files), partition.stored) for partition in self.found]).to_dict()


@dataclass(frozen=True)
class Listing:
    """What one look at storage found.

    Attributes:
        dataset: at the version of its table that was seen.
        partitions: those that exist, by key; None if only the rows tell which there are.
        files: of all of them, where only the rows tell.
    """

    dataset: PartitionedDataset
    partitions: Mapping[str, Partition] | None
    files: tuple[FileInfo, ...] = ()

    def of(self, wanted: Sequence[str] | None) -> Mapping[str, Partition]:
        """Partitions by key; of those `wanted` the ones that may be there, where only the rows tell which are."""
        if self.partitions is not None:
            return self.partitions
        dataset, asked = self.dataset, {key: values_of(key) for key in wanted or ()}
        if isinstance(dataset, TableDataset):
            return {key: dataset.partition(values) for key, values in asked.items() if dataset.labelled.has(values)}
        return {key: dataset.partition_of(values, self.files) for key, values in asked.items()} if self.files else {}

    @property
    def untold(self) -> list[str]:
        """Why a partition that is missing may be there all the same, in a sentence."""
        text = self.dataset.untold if isinstance(self.dataset, TableDataset) else ""
        return [f"a sensor does not look for rows: {text}"] if text else []


def requested_keys(request: Request, listing: Listing) -> list[str] | None:
    """What to wait for; None is ready as soon as any partition exists.

    They are keys of partitions, and each wildcard that nothing fits yet: one is ready as soon as a partition does.
    """
    partitions, dataset = listing.partitions, listing.dataset
    asked = request.asked([partition.values for partition in (partitions or {}).values()])
    if partitions is None and (asked.wanted is None or asked.unmatched):
        other = (
            "or wait for the files, with a PartitionSensor whose dataset has no partition_by, and leave partitions= of "
            "the plan out"
            if dataset.table is None
            else "or divide it by a column by which the table is partitioned"
        )
        raise InputError(
            f"partition_by={dataset.partition_by!r}: only the rows of {dataset.uri} tell which partitions there are, "
            f"and a sensor does not read them. Name the partitions; {other}"
        )
    if asked.wanted is None:
        return None
    return [*map(partition_key, asked.wanted), *asked.unmatched]


def list_partitions(dataset: PartitionedDataset) -> Listing:
    """One look. Where only the rows tell which partitions there are, nothing is read."""
    dataset = dataset.fixed()
    if dataset.by is not None and dataset.by.known is None:
        return Listing(dataset, None, dataset.files())
    return Listing(dataset, {partition.key: partition for partition in dataset.discover()})


def judge(
    listing: Listing,
    wanted: Sequence[str] | None,
    *,
    stable_for: float | None,
    now: float,
    before: Shapes,
) -> Readiness:
    """Judge what a look found.

    Args:
        stable_for: seconds for which no file of a partition may have changed; None skips the check.
        now: start of the listing in seconds since 1970, by the clock that `stable_for` is measured with.
        before: `Readiness.shapes` of the previous look, or nothing. Files whose number or size differs since then have
            changed, whatever their modification times say.
    """
    listed = listing.of(wanted)
    keys = list(listed) if wanted is None else wanted
    missing = [key for key in keys if key not in listed]
    existing = [key for key in keys if key in listed]
    late = Arrivals(listed.values(), listing.dataset.terms, like=missing).overdue(missing, now) if missing else []
    late += listing.untold if missing else []
    if not stable_for:
        return Readiness([listed[key] for key in existing], missing, [], late=late)
    shapes = {key: _shape(listed[key], before.get(key), now) for key in existing}
    settled_before = now - stable_for
    unsettled = {
        key
        for key in existing
        if shapes[key].since > settled_before or max(file.mtime_ns for file in listed[key].files) > settled_before * 1e9
    }
    return Readiness(
        [listed[key] for key in existing if key not in unsettled],
        missing,
        [k for k in existing if k in unsettled],
        shapes,
        late,
    )


def _shape(partition: Partition, before: Shape | None, now: float) -> Shape:
    """The partition's shape and since when it has had it; a first look knows no earlier state."""
    if before is None:
        return Shape(partition.shape, 0.0)
    return before if before.text == partition.shape else Shape(partition.shape, now)


def assess(
    dataset: PartitionedDataset, request: object, *, stable_for: float | None, now: float, before: Shapes | None = None
) -> Readiness:
    """Look at storage once; see `requested_keys` and `judge`."""
    asked = dataset.read(request)
    listing = list_partitions(dataset)
    return judge(listing, requested_keys(asked, listing), stable_for=stable_for, now=now, before=before or {})


def after(error: Exception, in_a_row: int) -> Literal["again", "failed", "fatal"]:
    """What a wait does when a look raised `error`, the `in_a_row`-th consecutive look to raise.

    ``again``: storage did not answer; it is asked again at the next look. ``failed``: it did not answer `FAILED_LOOKS`
    times in a row, or something else went wrong; the task fails, and its retries start over. ``fatal``: a retry cannot
    fix it.
    """
    if isinstance(error, BatchScoreError):
        return "fatal"
    return "again" if isinstance(error, OSError) and in_a_row < FAILED_LOOKS else "failed"
