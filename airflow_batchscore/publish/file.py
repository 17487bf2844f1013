"""Publish to one file: this run's partitions take the place of their earlier versions, the others are kept.

The new file is built from the published one and this run's scores, and takes its place only if the published one is
still the one it was built from; otherwise everything is looked at again. So of two runs that publish different
partitions at the same time neither loses, and a run that slept finds what was published meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from airflow_batchscore.data import storage, swap
from airflow_batchscore.data.parquet_footer import DamagedParquetError
from airflow_batchscore.data.pattern import sort_key
from airflow_batchscore.data.swap import Replacement, Seen
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish import csv_file, parquet_file
from airflow_batchscore.publish.changes import Changes, require_rows
from airflow_batchscore.publish.order import Order
from airflow_batchscore.publish.parts import common_schema, field_types, read_parts, with_fields
from airflow_batchscore.publish.stamp import ForeignFileError, Publication, Stamp, Statement
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

_ATTEMPTS = 20


class _Writer(Protocol):
    def add(self, stamp: Stamp, tables: Iterable[pa.Table]) -> Stamp: ...
    def keep(self, stamp: Stamp) -> Stamp: ...
    def finish(self, said: Statement, new: Replacement) -> None: ...
    def settled(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class _Published:
    """The file that is there; both are None where there is none, `said` also where it is to be replaced as a whole."""

    seen: Seen | None
    said: Statement | None

    @property
    def stamps(self) -> dict[str, Stamp]:
        return self.said.by_key if self.said else {}


class FileTarget:
    """One ``.parquet`` or ``.csv`` file; behind a link on a disk, the file that it names."""

    def __init__(self, uri: str, conn_id: str | None, publication: Publication) -> None:
        self._local, self._is_csv = storage.is_local(uri), uri.endswith(".csv")
        self._uri = storage.real(uri) if self._local else uri
        self._conn_id, self._publication = conn_id, publication
        self._order = Order.of_file(self._uri, conn_id)

    def publish(self, manifests: Sequence[Manifest]) -> Changes:
        """Publish the partitions of a run.

        Raises:
            GateError: newer scores are published, or a part is not what its manifest says.
            OutputError: what is there was not published by this package, or has other columns.
            OSError: storage failed, or others publish all the time.
        """
        stamps = [Stamp.of(manifest, self._publication) for manifest in manifests]
        unfinished = None if self._local else self._begin(stamps)
        for _ in range(_ATTEMPTS):
            there = self._look()
            placed = self._placed(stamps, there)
            changes = Changes.between(there.stamps, placed, keep=not self._publication.replace_all)
            if there.said is not None and not changes.any and not unfinished:
                done = self._confirmed(there, placed)
            else:
                done = self._replaced(there, placed, manifests, changes)
            if done:
                if not self._local:
                    self._order.end(placed)
                return changes
            log.info("%s was published by another run meanwhile: looking at it again", self._uri)
        raise OSError(f"{self._uri} is published by other runs all the time; try again when they are done")

    def _begin(self, stamps: Sequence[Stamp]) -> set[str]:
        return self._order.begin(self._placed(stamps, self._look()))

    def _placed(self, stamps: Sequence[Stamp], there: _Published) -> list[Stamp]:
        """`Order.placed`, for a publication that takes no rows away that it may not."""
        placed = self._order.placed(stamps, there.stamps, self._publication)
        if not self._publication.replace_all:
            require_rows(placed, there.stamps, self._uri, self._publication)
        return placed

    def _look(self) -> _Published:
        module = csv_file if self._is_csv else parquet_file

        def read(seen: Seen) -> Statement | None:
            said: Statement | None = module.statement(self._uri, seen, self._conn_id)
            return said

        try:
            return _Published(*swap.read_seen(self._uri, read, self._conn_id))
        except (ForeignFileError, DamagedParquetError) as error:
            if not self._publication.replace_all:
                raise OutputError(
                    f"not published: {error}. It may hold partitions that this run did not score, which would be "
                    "lost. Publish somewhere else, or replace the whole file with replace_all=True"
                ) from error
            log.warning("%s: it is replaced as a whole, as replace_all=True says", error)
            return _Published(swap.look(self._uri, self._conn_id), None)

    def _confirmed(self, there: _Published, stamps: Sequence[Stamp]) -> bool:
        """Leave the file untouched; on a disk, note that it is still right. False when another run was faster."""
        if not self._local:
            return True
        with swap.locked(self._uri):
            if swap.look(self._uri) != there.seen:
                return False
            self._order.placed(stamps, there.stamps, self._publication)
            self._order.end([stamp for stamp in stamps if stamp.turn > there.stamps[stamp.key].turn])
        return True

    def _replaced(
        self, there: _Published, new: Sequence[Stamp], manifests: Sequence[Manifest], changes: Changes
    ) -> bool:
        """Build the new file and put it in place. False when another run was faster."""
        kept = [there.stamps[key] for key in changes.kept]
        try:
            with swap.replacing(self._uri, there.seen, self._conn_id) as replacement:
                writer = self._build(there, [*new, *kept], {one.key: one for one in manifests}, replacement)
                say = replacement.before

                def last_look() -> None:
                    self._order.placed(new, there.stamps, self._publication)
                    if say is not None:
                        say()

                replacement.before = last_look
        except Exception:
            # What is copied from a file that is replaced meanwhile looks damaged. A refusal is said again at the next
            # look, if it still holds.
            if swap.look(self._uri, self._conn_id) == there.seen:
                raise
            return False
        if replacement.done:
            writer.settled()
        return replacement.done

    def _build(
        self,
        there: _Published,
        stamps: Sequence[Stamp],
        manifests: Mapping[str, Manifest],
        replacement: Replacement,
    ) -> _Writer:
        """Write all of `stamps`: those of `manifests` from their parts, the others from the file that is there."""
        kept = [stamp for stamp in stamps if stamp.key not in manifests]
        columns = common_schema(list(manifests.values()))
        kinds, schema = self._schema(list(manifests.values()), kept, columns)
        types = {column.name: str(column.type) for column in schema}
        if kept and there.said is not None and list(types.items()) != list(there.said.schema.items()):
            raise OutputError(
                f"not published: {self._uri} cannot be added to: {_difference(there.said.schema, types)}. The "
                f"partitions that this run did not score ({', '.join(stamp.key for stamp in kept[:20])}) cannot be "
                "kept beside these. Score them too, publish somewhere else, or drop them with replace_all=True"
            )
        kind = csv_file.CsvFile if self._is_csv else parquet_file.ParquetFile
        writer: _Writer = kind(replacement.path, schema, self._uri, self._conn_id)
        said = []
        try:
            for stamp in sorted(stamps, key=lambda stamp: sort_key(stamp.partition)):
                manifest = manifests.get(stamp.key)
                if manifest is None:
                    said.append(writer.keep(stamp))
                else:
                    said.append(
                        writer.add(stamp, with_fields(read_parts(manifest, columns), manifest.partition, kinds))
                    )
            writer.finish(Statement(types, said), replacement)
        finally:
            writer.close()
        return writer

    def _schema(
        self, manifests: Sequence[Manifest], kept: Sequence[Stamp], columns: pa.Schema
    ) -> tuple[dict[str, pa.DataType], pa.Schema]:
        """Types of the partition fields, and the schema of the file."""
        import pyarrow as pa

        own = manifests[0].partition
        # Kept partitions with other fields have other columns, which is said when the columns are compared.
        others = [stamp.partition for stamp in kept if list(stamp.partition) == list(own)]
        kinds = field_types([*(manifest.partition for manifest in manifests), *others])
        return kinds, pa.schema([*(pa.field(name, kind) for name, kind in kinds.items()), *columns])


def _difference(there: Mapping[str, str], new: Mapping[str, str]) -> str:
    """What differs between two schemas, for people."""
    both = [name for name in there if name in new and new[name] != there[name]]
    said = [f"the column {name} is {there[name]} there, {new[name]} here" for name in both]
    lacks = [name for name in there if name not in new]
    adds = [name for name in new if name not in there]
    if lacks:
        said.append(f"it has the columns {', '.join(lacks)}, this run does not")
    if adds:
        said.append(f"this run has the columns {', '.join(adds)}, it does not")
    return "; ".join(said) or "the columns are in another order"
