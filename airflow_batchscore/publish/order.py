"""The order of publications: for each partition, which one went to publication last.

Plans are ordered by generation, and attempts to publish the same plan by when they began. Published scores carry both.
Two things do not show there and are kept in a small file beside the scores (the order): scores that a newer run found
already published and left untouched, and, on an object store, a publisher that has begun and not finished. As long as
there may be one, a newer run does not leave even equal scores untouched but writes them again, so that the other's
conditional write fails when it resumes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.storage import Location, swap
from airflow_batchscore.errors import GateError, listed
from airflow_batchscore.publish.stamp import PartitionStamp, Publication


@dataclass(frozen=True)
class Entry:
    """The newest publication of a partition that has begun; `done` when it has ended."""

    generation: int
    run: str
    began: int = 0
    manifest: str = ""
    done: bool = True

    def is_before(self, stamp: PartitionStamp) -> bool:
        """Whether `stamp` may replace it. Equal scores of the same plan may, so that clocks do not stop a retry."""
        if self.generation == stamp.generation and self.manifest == stamp.manifest:
            return True
        return self.turn <= stamp.turn

    @property
    def turn(self) -> tuple[int, int]:
        return self.generation, self.began

    @classmethod
    def from_dict(cls, value: JsonMapping) -> Entry:
        return cls(**value)

    @classmethod
    def of(cls, stamp: PartitionStamp, *, done: bool = True) -> Entry:
        return cls(stamp.generation, stamp.run, stamp.began, stamp.manifest, done)

    def to_dict(self) -> JsonObject:
        return asdict(self)


@dataclass(frozen=True)
class Order:
    """The order of an output: partition key -> `Entry`.

    Attributes:
        output: the file or folder.
        file: where it is stored.
    """

    output: Location
    file: Location

    @classmethod
    def of_file(cls, output: Location) -> Order:
        return cls(output, output.beside("_published", f"{output.name}.order.json"))

    @classmethod
    def of_folder(cls, output: Location) -> Order:
        return cls(output, output / "_published" / "order.json")

    def read(self) -> dict[str, Entry]:
        _, entries = swap.read_json(self.file)
        return {key: Entry.from_dict(value) for key, value in entries.items()}

    def placed(
        self, stamps: Sequence[PartitionStamp], published: Mapping[str, PartitionStamp], publication: Publication
    ) -> list[PartitionStamp]:
        """`in_turn`, as the file of the order and the published stamps have it.

        Raises:
            GateError: a newer publication of one of the partitions exists or has begun.
        """
        return in_turn(stamps, published, publication, self.output.uri, self.read())

    def begin(self, stamps: Sequence[PartitionStamp]) -> set[str]:
        """On an object store: announce the publication of these.

        Returns:
            Keys of partitions whose last publisher may still be working.
        """
        unfinished: set[str] = set()

        def change(value: JsonMapping) -> JsonMapping:
            now = {key: Entry.from_dict(entry) for key, entry in value.items()}
            unfinished.clear()
            unfinished.update(stamp.key for stamp in stamps if stamp.key in now and not now[stamp.key].done)
            for stamp in stamps:
                if stamp.key not in now or now[stamp.key].turn <= stamp.turn:
                    now[stamp.key] = Entry.of(stamp, done=False)
            return {key: entry.to_dict() for key, entry in now.items()}

        swap.change_json(self.file, change)
        return unfinished

    def end(self, stamps: Sequence[PartitionStamp]) -> None:
        """Record that these are published: on an object store it ends `begin`; on a disk it happens under the lock."""

        def change(value: JsonMapping) -> JsonMapping | None:
            now = dict(value)
            for stamp in stamps:
                if stamp.key not in now or Entry.from_dict(now[stamp.key]).turn <= stamp.turn:
                    now[stamp.key] = Entry.of(stamp).to_dict()
            return None if now == value else now

        swap.change_json(self.file, change)


def in_turn(
    stamps: Sequence[PartitionStamp],
    published: Mapping[str, PartitionStamp],
    publication: Publication,
    output: str,
    newest: Mapping[str, Entry] = MappingProxyType({}),
) -> list[PartitionStamp]:
    """The stamps of a publication, if it is its turn; those that replace newer ones on purpose become the newest.

    Args:
        published: what is published now, by partition key.
        output: its URI, for the message.
        newest: publications that the published stamps do not show, by partition key.

    Raises:
        GateError: a newer publication of one of the partitions exists or has begun.
    """
    older = []
    placed = []
    for stamp in stamps:
        current = published.get(stamp.key)
        last = max(
            (Entry.of(current) if current else Entry(0, "")),
            newest.get(stamp.key, Entry(0, "")),
            key=lambda entry: entry.turn,
        )
        if not last.is_before(stamp):
            what = "by" if stamp.generation < last.generation else "by a later attempt of"
            older.append(f"{stamp.key} {what} {last.run or 'an unnamed run'}, planned {_time(last.generation)}")
            stamp = replace(stamp, generation=last.generation + 1)
        placed.append(stamp)
    if older and not publication.republish:
        first = min(stamps, key=lambda stamp: stamp.generation)
        raise GateError(
            f"not published: {output} has newer scores: {listed(older, '; ')}. This run, "
            f"{publication.run or 'unnamed'}, was planned {_time(first.generation)}, and nothing of it was "
            "published. Clear its plan task to plan and score what is there now, or publish the older scores with "
            "republish=True"
        )
    return placed


def _time(generation: int) -> str:
    if not generation:
        return "at an unknown time"
    return datetime.fromtimestamp(generation / 1e9, UTC).isoformat(timespec="seconds")
