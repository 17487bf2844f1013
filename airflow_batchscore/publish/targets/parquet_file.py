"""One Parquet file of many partitions. Each has its own row groups, which are copied if the partition is kept.

The statement of a Parquet file is in its footer, so the two cannot be separated.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from airflow_batchscore.data.formats.parquet_footer import note, read_footer
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.driver import Seen
from airflow_batchscore.data.storage.swap import Replacement
from airflow_batchscore.publish.stamp import ForeignFileError, PartitionStamp, Statement
from airflow_batchscore.publish.table import ScoresTable
from airflow_batchscore.publish.targets.kept_groups import KeptGroups
from airflow_batchscore.publish.targets.one_file import OneFileTarget
from airflow_batchscore.publish.targets.parquet_writer import FOOTER_KEY, PartsWriter


class ParquetTarget(OneFileTarget):
    """One ``.parquet`` file."""

    def statement(self, seen: Seen) -> Statement | None:
        """The statement in its footer; see `read_statement`."""
        return read_statement(self.place)

    def writer(self, path: Path, table: ScoresTable) -> ParquetFile:
        """A writer that copies kept partitions from the published file."""
        return ParquetFile(path, table, self.place)


def read_statement(location: Location) -> Statement | None:
    """The statement in a published Parquet file; None if there is no file.

    Raises:
        ForeignFileError: this package did not publish it.
        DamagedParquetError: it is not a complete Parquet file.
    """
    try:
        footer = read_footer(location)
    except FileNotFoundError:
        return None
    statement = note(footer, FOOTER_KEY)
    if statement is None:
        raise ForeignFileError(f"{location} was not published by this package")
    return Statement.from_bytes(statement, location.uri)


class ParquetFile(PartsWriter):
    """Writes partitions one after the other.

    Args:
        old: the published file that kept partitions are copied from.
    """

    def __init__(self, path: Path, table: ScoresTable, old: Location) -> None:
        super().__init__(path, table)
        self._old = old

    @cached_property
    def _kept(self) -> KeptGroups:
        return KeptGroups.of(self._old, self._table.schema, self._groups.like)

    def keep(self, stamp: PartitionStamp) -> PartitionStamp:
        """Copy a published partition."""
        return self.add(stamp, self._kept.read(range(*stamp.place), stamp.key))

    def finish(self, statement: Statement, new: Replacement) -> None:
        """Write the statement of its content."""
        self.state(statement)

    def settled(self) -> None:
        """The file is in place."""
