"""Publish to one file: this run's partitions replace their earlier versions, the others are kept.

The new file is built from the published one and this run's scores. It replaces the published one only if that is still
the one it was built from; otherwise everything is rechecked. So of two runs that publish different partitions at the
same time neither loses, and a run that was suspended sees what was published meanwhile.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from airflow_batchscore.data.formats.parquet_footer import DamagedParquetError
from airflow_batchscore.data.pattern import sort_key
from airflow_batchscore.data.storage import Location, real, swap
from airflow_batchscore.data.storage.driver import Seen
from airflow_batchscore.data.storage.swap import Replacement
from airflow_batchscore.data.type_names import arrow_type
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.ahead import in_order
from airflow_batchscore.publish.changes import Changes, require_rows
from airflow_batchscore.publish.order import Order
from airflow_batchscore.publish.parts import Part
from airflow_batchscore.publish.stamp import ForeignFileError, PartitionStamp, Publication, Statement
from airflow_batchscore.publish.table import ScoresTable, require_field_types
from airflow_batchscore.publish.targets.base import PublishTarget
from airflow_batchscore.scoring.manifest import Manifest

log = logging.getLogger(__name__)

_ATTEMPTS = 20


class Writer(Protocol):
    """Writes a file partition by partition, each either from its parts or copied from the published file."""

    def encode(self, part: Part) -> Any:
        """Read a part, check it, and encode it for `add`. Runs in several threads, ahead of `add`."""
        ...

    def add(self, stamp: PartitionStamp, pieces: Iterable[Any]) -> PartitionStamp:
        """Write a partition, whose encoded parts are `pieces`; returns its stamp with its position."""
        ...

    def keep(self, stamp: PartitionStamp) -> PartitionStamp:
        """Copy a published partition; returns its stamp with its new position."""
        ...

    def finish(self, statement: Statement, new: Replacement) -> None:
        """Write the statement of what the file holds, in it or beside it."""
        ...

    def settled(self) -> None:
        """The file is in place."""
        ...

    def close(self) -> None:
        """The file is complete if `finish` was called before."""
        ...


@dataclass(frozen=True)
class _Published:
    """The existing file; both are None if there is none, `statement` also if it is to be replaced as a whole."""

    seen: Seen | None
    statement: Statement | None

    @property
    def stamps(self) -> Mapping[str, PartitionStamp]:
        return self.statement.by_key if self.statement else {}


class OneFileTarget(PublishTarget):
    """One file.

    Attributes:
        is_local: whether it is on a disk.
        place: of the file itself; for a link on a disk, the link's target.
    """

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        self.is_local = location.is_local
        self.place = location.at(real(location.uri)) if self.is_local else location

    @abstractmethod
    def statement(self, seen: Seen) -> Statement | None:
        """The statement of the file; None if it is gone since it was seen.

        Raises:
            ForeignFileError: this package did not publish it.
            DamagedParquetError: it cannot be read.
        """
        ...

    @abstractmethod
    def writer(self, path: Path, table: ScoresTable) -> Writer:
        """A writer of a new file at `path`."""
        ...

    def published(self) -> Mapping[str, PartitionStamp]:
        """See `PublishTarget.published`; empty if there is no file."""
        try:
            _, statement = swap.read_seen(self.place, self.statement)
        except (ForeignFileError, DamagedParquetError) as error:
            raise OutputError(f"{error}: what it holds is not known") from error
        return statement.by_key if statement else {}

    def publish(self, manifests: Sequence[Manifest], publication: Publication) -> Changes:
        """See `PublishTarget.publish`."""
        return _FilePublication(self, publication).publish(manifests)


class _FilePublication:
    """One publication of a run to one file."""

    def __init__(self, target: OneFileTarget, publication: Publication) -> None:
        self._target, self._publication = target, publication
        self._place = target.place
        self._order = Order.of_file(target.place)

    def publish(self, manifests: Sequence[Manifest]) -> Changes:
        require_field_types(self._publication.field_types, list(manifests[0].partition))
        stamps = [PartitionStamp.of(manifest, self._publication) for manifest in manifests]
        unfinished = None if self._target.is_local else self._begin(stamps)
        for _ in range(_ATTEMPTS):
            published = self._look()
            placed = self._placed(stamps, published)
            changes = Changes.between(published.stamps, placed, keep=not self._publication.replace_all)
            if published.statement is not None and not (changes.any or unfinished or self._retypes(published)):
                done = self._confirmed(published, placed)
            else:
                done = self._replaced(published, placed, manifests, changes)
            if done:
                if not self._target.is_local:
                    self._order.end(placed)
                return changes
            log.info("%s was published by another run in the meantime: reading it again", self._place)
        raise OSError(f"{self._place} is being published by other runs again and again; try again when they are done")

    def _retypes(self, published: _Published) -> bool:
        """Whether the user declares other types than the published file has."""
        schema = published.statement.schema if published.statement else {}
        return any(
            name in schema and str(arrow_type(kind)) != schema[name]
            for name, kind in self._publication.field_types.items()
        )

    def _begin(self, stamps: Sequence[PartitionStamp]) -> set[str]:
        return self._order.begin(self._placed(stamps, self._look()))

    def _placed(self, stamps: Sequence[PartitionStamp], published: _Published) -> list[PartitionStamp]:
        """`Order.placed`, for a publication that removes no rows without permission."""
        placed = self._order.placed(stamps, published.stamps, self._publication)
        if not self._publication.replace_all:
            require_rows(placed, published.stamps, self._place.uri, self._publication)
        return placed

    def _look(self) -> _Published:
        try:
            return _Published(*swap.read_seen(self._place, self._target.statement))
        except (ForeignFileError, DamagedParquetError) as error:
            if not self._publication.replace_all:
                raise OutputError(
                    f"not published: {error}. It may hold partitions that this run did not score, which would be "
                    "lost. Publish somewhere else, or replace the whole file with replace_all=True"
                ) from error
            log.warning("%s: it is replaced as a whole, as replace_all=True says", error)
            return _Published(swap.current(self._place), None)

    def _confirmed(self, published: _Published, stamps: Sequence[PartitionStamp]) -> bool:
        """Leave the file untouched; on a disk, note that it is still current. False if another run was faster."""
        if not self._target.is_local:
            return True
        with swap.locked(self._place.uri):
            if swap.current(self._place) != published.seen:
                return False
            self._order.placed(stamps, published.stamps, self._publication)
            self._order.end([stamp for stamp in stamps if stamp.turn > published.stamps[stamp.key].turn])
        return True

    def _replaced(
        self, published: _Published, new: Sequence[PartitionStamp], manifests: Sequence[Manifest], changes: Changes
    ) -> bool:
        """Build the new file and put it in place. False if another run was faster."""
        kept = [published.stamps[key] for key in changes.kept]
        by_key = {manifest.key: manifest for manifest in manifests}
        try:
            with swap.replacing(self._place, published.seen) as replacement:
                writer = self._build(published, [*new, *kept], by_key, replacement)
                say = replacement.before

                def last_look() -> None:
                    self._order.placed(new, published.stamps, self._publication)
                    if say is not None:
                        say()

                replacement.before = last_look
        except Exception:
            # A copy from a file that is being replaced looks damaged. A refusal is raised again at the next check, if
            # it still holds.
            if swap.current(self._place) == published.seen:
                raise
            return False
        if replacement.done:
            writer.settled()
        return replacement.done

    def _build(
        self,
        published: _Published,
        stamps: Sequence[PartitionStamp],
        manifests: Mapping[str, Manifest],
        replacement: Replacement,
    ) -> Writer:
        """Write all of `stamps`: those of `manifests` from their parts, the others from the existing file."""
        kept = [stamp for stamp in stamps if stamp.key not in manifests]
        schema = published.statement.schema if published.statement else None
        others = [stamp.columns for stamp in kept]
        table = ScoresTable.of(list(manifests.values()), others, schema, self._publication.field_types)
        if published.statement is not None:
            table.require_same(published.statement, [stamp.key for stamp in kept], self._place.uri)
        writer = self._target.writer(replacement.path, table)
        ordered = sorted(stamps, key=lambda stamp: sort_key(stamp.partition))
        parts = [part for stamp in ordered if stamp.key in manifests for part in Part.all_of(manifests[stamp.key])]
        written = []
        with closing(writer), closing(in_order(writer.encode, parts, lambda part: part.size)) as pieces:
            for stamp in ordered:
                if stamp.key in manifests:
                    written.append(writer.add(stamp, islice(pieces, len(manifests[stamp.key].blocks))))
                else:
                    written.append(writer.keep(stamp))
            writer.finish(Statement(table.types, written), replacement)
        return writer
