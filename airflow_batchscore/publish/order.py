"""The order of publications: of each partition, which one went to publication last.

The order is that of the plans (the generation), and of one plan that in which its attempts to publish began. What is
published carries both. Two things do not show there, and are kept in a small file beside it (the
order): scores that a newer run found published already and left untouched, and, on an object store, a publisher that
has begun and has not finished. As long as there may be one, a newer run does not leave even equal scores untouched but
writes them again, so that the other's conditional write fails when it wakes up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from airflow_batchscore.data import storage, swap
from airflow_batchscore.errors import GateError
from airflow_batchscore.publish.stamp import Publication, Stamp

_MOST_NAMED = 5


@dataclass(frozen=True)
class Entry:
    """The newest publication of a partition that was begun; `done` when it has ended."""

    generation: int
    run: str
    began: int = 0
    manifest: str = ""
    done: bool = True

    def is_before(self, stamp: Stamp) -> bool:
        """Whether `stamp` may take its place. Of one plan equal scores may, so that clocks do not stop a retry."""
        if self.generation == stamp.generation and self.manifest == stamp.manifest:
            return True
        return self.turn <= stamp.turn

    @property
    def turn(self) -> tuple[int, int]:
        return self.generation, self.began

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Entry:
        return cls(**value)

    @classmethod
    def about(cls, stamp: Stamp, *, done: bool = True) -> Entry:
        return cls(stamp.generation, stamp.run, stamp.began, stamp.manifest, done)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Order:
    """The order of an output: partition key -> `Entry`.

    Attributes:
        output: URI of the file or folder, as messages call it.
        uri: where it is kept.
    """

    output: str
    uri: str
    conn_id: str | None

    @classmethod
    def of_file(cls, output: str, conn_id: str | None) -> Order:
        name = f"{output.rpartition('/')[2]}.order.json"
        return cls(output, storage.beside(output, "_published", name), conn_id)

    @classmethod
    def of_folder(cls, output: str, conn_id: str | None) -> Order:
        return cls(output, storage.join(output, "_published", "order.json"), conn_id)

    def read(self) -> dict[str, Entry]:
        _, found = swap.read_json(self.uri, self.conn_id)
        return {key: Entry.of(value) for key, value in found.items()}

    def placed(self, stamps: Sequence[Stamp], published: Mapping[str, Stamp], publication: Publication) -> list[Stamp]:
        """The stamps of a publication, if it is its turn; those that replace newer ones on purpose become the newest.

        Args:
            published: what is published now, by partition key.

        Raises:
            GateError: a newer publication of one of the partitions is there, or has begun.
        """
        newest = self.read()
        older = []
        placed = []
        for stamp in stamps:
            there = published.get(stamp.key)
            last = max(
                (Entry.about(there) if there else Entry(0, "")),
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
            more = f" and {len(older) - _MOST_NAMED} more" if len(older) > _MOST_NAMED else ""
            raise GateError(
                f"not published: {self.output} has newer scores: {'; '.join(older[:_MOST_NAMED])}{more}. This run, "
                f"{publication.run or 'unnamed'}, was planned {_time(first.generation)}, and nothing of it was "
                "published. Clear its plan task to plan and score what is there now, or publish the older scores with "
                "republish=True"
            )
        return placed

    def begin(self, stamps: Sequence[Stamp]) -> set[str]:
        """On an object store: say that these go to publication.

        Returns:
            Keys of partitions whose last publisher may still be at work.
        """
        unfinished: set[str] = set()

        def change(value: Mapping[str, Any]) -> Mapping[str, Any]:
            now = {key: Entry.of(entry) for key, entry in value.items()}
            unfinished.clear()
            unfinished.update(stamp.key for stamp in stamps if stamp.key in now and not now[stamp.key].done)
            for stamp in stamps:
                if stamp.key not in now or now[stamp.key].turn <= stamp.turn:
                    now[stamp.key] = Entry.about(stamp, done=False)
            return {key: entry.to_dict() for key, entry in now.items()}

        swap.change_json(self.uri, change, self.conn_id)
        return unfinished

    def end(self, stamps: Sequence[Stamp]) -> None:
        """These are published: on an object store the end of what `begin` said; on a disk said under the lock."""

        def change(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
            now = dict(value)
            for stamp in stamps:
                if stamp.key not in now or Entry.of(now[stamp.key]).turn <= stamp.turn:
                    now[stamp.key] = Entry.about(stamp).to_dict()
            return None if now == value else now

        swap.change_json(self.uri, change, self.conn_id)


def _time(generation: int) -> str:
    if not generation:
        return "at an unknown time"
    return datetime.fromtimestamp(generation / 1e9, UTC).isoformat(timespec="seconds")
