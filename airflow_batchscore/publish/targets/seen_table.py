"""A table as a publication sees it, and what one commit does to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.data.pattern import partition_key
from airflow_batchscore.publish.stamp import PartitionStamp
from airflow_batchscore.publish.table import ScoresTable
from airflow_batchscore.publish.targets.table_files import DataFile

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class SeenTable:
    """A table as it was seen.

    Attributes:
        version: of the table, for people.
        state: differs after each commit.
        types: column -> type, as `table_type` has it; of partition columns, too.
        fields: its partition columns.
        files: partition key -> its data files: the name, and what the library calls the file.
        record: number of its `TableRecord`; empty if this package has not published there.
        handle: the library's table.
    """

    version: str
    state: str
    types: Mapping[str, pa.DataType | None]
    fields: Sequence[str]
    files: Mapping[str, Mapping[str, Any]]
    record: str
    handle: Any

    @property
    def names(self) -> dict[str, frozenset[str]]:
        """The files' names."""
        return {key: frozenset(files) for key, files in self.files.items()}

    def named(self, stamps: Sequence[PartitionStamp]) -> SeenTable:
        """The same with the partitions' own keys: a table has the values of their columns, see `Manifest.columns`."""
        files = dict(self.files)
        for stamp in stamps:
            if stamp.decoded and (there := files.pop(stamp.column_key, None)):
                files[stamp.key] = {**files.get(stamp.key, {}), **there}
        return replace(self, files=files)


@dataclass(frozen=True)
class Commit:
    """What one commit does.

    Attributes:
        seen: the table that it changes; None creates it.
        table: the columns of the data files.
        fields: the partition columns, and their types in the table.
        added: data files, which are there.
        removed: partition keys, all of whose files leave the table.
        record: number of the record.
        run: ``"<dag_id>/<run_id>"``.
    """

    seen: SeenTable | None
    table: ScoresTable
    fields: Mapping[str, pa.DataType]
    added: Sequence[DataFile]
    removed: Sequence[str]
    record: str
    run: str

    @property
    def removed_files(self) -> list[Any]:
        """As the library calls them."""
        files = self.seen.files if self.seen else {}
        return [file for key in self.removed for file in files.get(key, {}).values()]


def key_of(fields: Sequence[str], values: Sequence[object]) -> str:
    """The key of a partition of a table."""
    return partition_key(
        {name: NO_VALUE if one is None else str(one) for name, one in zip(fields, values, strict=True)}
    )
