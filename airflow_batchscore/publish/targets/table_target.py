"""Publish to a table: all partitions of a run change in one commit, and the table keeps its history.

The data files are written first, then the record, then the commit, which succeeds only over the version of the table
that the publication was decided on; otherwise the table is read again and everything is decided anew. A publisher that
is killed leaves at most files that no commit names.
"""

from __future__ import annotations

import logging
import re
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.tables.kinds import Table
from airflow_batchscore.errors import BatchScoreError, OutputError, listed
from airflow_batchscore.publish.changes import Changes, require_rows
from airflow_batchscore.publish.order import in_turn
from airflow_batchscore.publish.stamp import (
    ForeignFileError,
    PartitionStamp,
    Publication,
    Statement,
    require_other_columns,
)
from airflow_batchscore.publish.table import ScoresTable, difference
from airflow_batchscore.publish.targets.base import RUNS, PublishTarget
from airflow_batchscore.publish.targets.seen_table import Commit, SeenTable
from airflow_batchscore.publish.targets.table_files import PREFIX, DataFile, write_files
from airflow_batchscore.publish.targets.table_record import EMPTY, TableRecord, drop_old_records, drop_record
from airflow_batchscore.publish.targets.table_types import require_values, table_schema
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

_ATTEMPTS = 20
#: A data file, or what its writer has not finished, or had not when it was killed.
_OWN_FILE = re.compile(rf"(\.tmp-.+-)?{PREFIX}")


class TableTarget(PublishTarget):
    """A table in a folder. What a library of tables does is below `look` and `commit`.

    Attributes:
        table: as the user named it.
        fields_in_files: whether the data files hold the partition columns.
        own_folders: where the library writes, below the table's folder; names that begin with ``_`` need not be listed.
    """

    table: Table
    fields_in_files = False
    own_folders: Sequence[str] = ()

    def __init__(self, location: Location, table: Table) -> None:
        super().__init__(location)
        self.table = table
        if location.name.endswith((".parquet", ".csv")):
            raise OutputError(f"{location}: a table is a folder; leave out the ending, or leave out table={table}")
        if any(mark in location.uri for mark in "%#?"):  # deltalake creates such a table elsewhere than it reads it
            raise OutputError(f"{location}: %, # and ? are marks of a URL to libraries of tables; name another folder")

    @property
    def runs(self) -> Location:
        """Inside the table's folder: whoever cleans it up leaves names that begin with an underscore."""
        return self.location / RUNS

    def files(self, keys: Sequence[str]) -> list[str]:
        """For each partition one that stands for its data files, whose names are not known yet."""
        return [(self.location / self.folder_of(key) / f"{PREFIX}0.parquet").uri for key in keys]

    def published(self) -> Mapping[str, PartitionStamp]:
        """See `PublishTarget.published`; empty if there is no table.

        The stamp of a partition that another program changed since names no manifest.
        """
        seen = self.look()
        record = self._record(seen, Publication())
        return record.unaltered(seen.named(list(record.stamps.values())).names if seen else {})

    @abstractmethod
    def look(self) -> SeenTable | None:
        """The table as it is now; None if there is none.

        Raises:
            OutputError: it cannot be published to.
        """

    @abstractmethod
    def commit(self, commit: Commit) -> str:
        """Change the table in one step if it is still as it was seen, and return its new version.

        Any error may mean that another publisher was faster, or that the commit is done: `look` tells.
        """

    @abstractmethod
    def folder_of(self, key: str) -> str:
        """The folder of a partition's data files, below the table's."""

    @abstractmethod
    def name_in_table(self, file: DataFile) -> str:
        """How `SeenTable.files` names the file once it is committed."""

    def publish(self, manifests: Sequence[Manifest], publication: Publication) -> Changes:
        """See `PublishTarget.publish`. The columns of a table never change, also with ``replace_all``."""
        # Columns -> partition key -> file of an attempt that lost, for the next. At an error they stay behind: a
        # version of the table may name them.
        written: dict[str, dict[str, DataFile]] = {}
        for _ in range(_ATTEMPTS):
            changes = self._attempt(manifests, publication, written)
            if changes is not None:
                log.info("%s is at version %s", self.location, changes.version)
                return changes
            log.info("%s was changed by another program in the meantime: reading it again", self.location)
        raise OSError(f"{self.location} is being changed by others again and again; try again when they are done")

    def _attempt(
        self, manifests: Sequence[Manifest], publication: Publication, written: dict[str, dict[str, DataFile]]
    ) -> Changes | None:
        """Decide on the table as it is now, and commit; None if another was faster."""
        seen = self.look()
        if seen is None and not self._is_free():
            return None
        record = self._record(seen, publication)
        wanted = [PartitionStamp.of(manifest, publication) for manifest in manifests]
        before = list(record.stamps.values())
        require_other_columns(wanted if publication.replace_all else [*before, *wanted], self.location.uri)
        seen = seen and seen.named([*before, *wanted])
        now = seen.names if seen else {}
        stamps = in_turn(wanted, record.stamps, publication, self.location.uri)
        mine = {stamp.key for stamp in stamps}
        if not publication.replace_all:
            require_rows(stamps, record.stamps, self.location.uri, publication)
            self._require_own(now.keys() & mine - record.stamps.keys())
        table, fields = self._columns(seen, manifests, publication.field_types)
        changes = Changes.between(record.unaltered(now), stamps, keep=not publication.replace_all)
        foreign = now.keys() - mine - record.stamps.keys() if publication.replace_all else ()
        changes = replace(changes, dropped=sorted([*changes.dropped, *foreign]))
        newer = any(stamp.turn > record.stamps[stamp.key].turn for stamp in stamps if stamp.key in record.stamps)
        if not changes.any and not newer:  # equal scores of a newer run make it the newest
            return replace(changes, version=seen.version if seen else "")
        moved = {*changes.added, *changes.replaced}
        files = written.setdefault(str(table.schema), {})
        new = [pair for pair in zip(stamps, manifests, strict=True) if pair[0].key in moved - files.keys()]
        files |= write_files(self.location, table, new, publication, self.folder_of)
        added = {key: file for key, file in files.items() if key in moved}
        number = self._next(record, changes, stamps, table, added).write(self.location)
        removed = [*moved, *changes.dropped]
        version = self._committed(Commit(seen, table, fields, list(added.values()), removed, number, publication.run))
        if version is None:
            drop_record(self.location, number)
            return None
        drop_old_records(self.location, number)
        return replace(changes, version=version)

    def _committed(self, commit: Commit) -> str | None:
        """The version after the commit; None if another was faster."""
        try:
            return self.commit(commit)
        except BatchScoreError:
            raise
        except Exception as error:  # a library's: what became of the commit, only the table knows
            now, seen = self.look(), commit.seen
            if now is not None and now.record == commit.record:
                return now.version
            if (now.state if now else "") != (seen.state if seen else ""):
                return None
            raise OSError(f"{self.location}: the commit failed: {type(error).__name__}: {error}") from error

    def _next(
        self,
        record: TableRecord,
        changes: Changes,
        stamps: Sequence[PartitionStamp],
        table: ScoresTable,
        added: Mapping[str, DataFile],
    ) -> TableRecord:
        """The record after the commit."""
        kept = [record.stamps[key] for key in changes.kept]
        files = {stamp.key: record.files[stamp.key] for stamp in kept}
        files |= {key: record.files[key] for key in changes.unchanged}
        for key in (*changes.added, *changes.replaced):  # one without rows has no file
            files[key] = [self.name_in_table(added[key])] if key in added else []
        newest = [max(stamp, record.stamps.get(stamp.key, stamp), key=lambda one: one.turn) for stamp in stamps]
        return TableRecord(Statement(table.types, [*kept, *newest]), files)

    def _record(self, seen: SeenTable | None, publication: Publication) -> TableRecord:
        if seen is None or (not seen.record and (not seen.files or publication.replace_all)):
            return EMPTY
        try:
            if seen.record:
                return TableRecord.read(self.location, seen.record)
            problem = "the table has rows that this package did not publish"
        except (FileNotFoundError, ForeignFileError) as error:
            if publication.replace_all:
                return EMPTY
            problem = f"the record of what was published is gone ({error})"
        raise OutputError(
            f"not published: {self.location}: {problem}, so that it is not known which scores are newer. Publish to "
            "another table, or replace all rows with replace_all=True; the earlier versions stay readable"
        )

    def _is_free(self) -> bool:
        """Whether a new table may be created; False if another program just did.

        Raises OutputError for files that readers take for data of another kind.
        """
        for file in storage.list_files(self.location, recursive=True):
            below = file.uri.removeprefix(f"{self.location.uri.rstrip('/')}/")
            first, name = below.split("/")[0], below.rpartition("/")[2]
            left_over = first in self.own_folders or _OWN_FILE.match(name)  # or another publisher is writing it
            if not left_over and (not first.startswith("_") or first == "_delta_log"):
                if self.look() is not None:
                    return False
                raise OutputError(
                    f"not published: {self.location} is no {self.table.format} table and holds other files, such as "
                    f"{below}. Publish the table to an empty folder"
                )
        return True

    def _require_own(self, foreign: Collection[str]) -> None:
        if foreign:
            raise OutputError(
                f"not published: {self.location} has rows of {listed(sorted(foreign))} that this package did not "
                "publish. Delete them there first, or replace all rows of the table with replace_all=True"
            )

    def _columns(
        self, seen: SeenTable | None, manifests: Sequence[Manifest], declared: Mapping[str, str]
    ) -> tuple[ScoresTable, Mapping[str, pa.DataType]]:
        """The columns of the data files, and the partition columns. Raises OutputError if they do not fit the table."""
        made = ScoresTable.of(manifests, declared=declared)
        columns, fields, uri = table_schema(made.columns), made.fields, self.location.uri
        if seen is not None:
            mine, theirs = list(made.fields), list(seen.fields)
            if mine != theirs:
                raise OutputError(
                    f"not published: the table {uri} is partitioned by {', '.join(theirs) or 'no column'}, and this "
                    f"run's partitions are by {', '.join(mine)}. Publish to a table that is partitioned by these"
                )
            fields = {name: kind for name in theirs if (kind := seen.types[name]) is not None}
            retyped = [name for name in declared if made.fields[name] != fields.get(name)]
            if retyped:
                raise OutputError(
                    f"not published: field_types= declares {retyped[0]} as {made.fields[retyped[0]]}, and it is "
                    f"{fields.get(retyped[0])} in the table {uri}, whose columns never change. Leave it out"
                )
            there = {name: str(kind) for name, kind in seen.types.items() if name not in fields}
            here = {field.name: str(field.type) for field in columns}
            if there != here:
                raise OutputError(
                    f"not published: {uri} cannot be added to: {difference(there, here)}. Change the table's columns "
                    "with another program, or publish to a new table"
                )
        for manifest in manifests:
            require_values(fields, manifest.columns, uri)
        return ScoresTable(fields if self.fields_in_files else {}, columns), fields
