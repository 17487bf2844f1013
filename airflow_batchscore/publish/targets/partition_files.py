"""The files of a hive-partitioned folder: one per partition, below ``<field>=<value>/``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from airflow_batchscore.data import storage
from airflow_batchscore.data.formats.parquet_footer import DamagedParquetError
from airflow_batchscore.data.storage import Location, swap
from airflow_batchscore.data.storage.driver import Seen
from airflow_batchscore.data.tables.folders import KINDS
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.stamp import ForeignFileError, PartitionStamp, require_other_columns
from airflow_batchscore.publish.targets.parquet_file import read_statement
from airflow_batchscore.scoring.manifest import Manifest

log = logging.getLogger(__name__)

#: The file of a partition in a published folder.
PARTITION_FILE = "scores.parquet"


@dataclass(frozen=True)
class PublishedFile:
    """A partition's file as it was seen; None if there is none. A damaged one has no stamp."""

    seen: Seen | None
    stamp: PartitionStamp | None


@dataclass(frozen=True, kw_only=True)
class PartitionJob:
    """A partition that a worker publishes."""

    stamp: PartitionStamp
    manifest: Manifest

    @property
    def name(self) -> str:
        """For messages."""
        return f"the publication of partition {self.stamp.key}"

    @property
    def smaller_work(self) -> str:
        """What needs less memory, for messages."""
        return "fewer partitions at once, such as CombineOperator(engine=LocalDask(workers=1))"


def partition_file(folder: Location, key: str) -> Location:
    """The file of a partition in a published folder, by `PartitionStamp.column_key`."""
    return folder / key / PARTITION_FILE


def published_keys(folder: Location) -> list[str]:
    """Names of the partitions that have a file in a published folder: `PartitionStamp.column_key`."""
    keys = []
    for file in storage.list_files(folder, recursive=True):
        key, _, name = file.uri.removeprefix(f"{folder.uri.rstrip('/')}/").rpartition("/")
        if name == PARTITION_FILE and all("=" in segment for segment in key.split("/")):
            keys.append(key)
    return keys


def published_file(folder: Location, key: str) -> PublishedFile:
    """What is published for a partition. Raises OutputError for a file that this package did not publish."""
    file = partition_file(folder, key)

    def read(_: Seen) -> PartitionStamp | None:
        try:
            statement = read_statement(file)
        except DamagedParquetError as error:
            log.warning("%s: it is replaced", error)
            return None
        return statement.stamps[0] if statement else None

    try:
        return PublishedFile(*swap.read_seen(file, read))
    except ForeignFileError as error:
        raise OutputError(f"not published: {error}. Move it away, or publish somewhere else") from error


def published_of(folder: Location, stamp: PartitionStamp) -> PublishedFile:
    """What is published where a partition belongs.

    Raises OutputError as `published_file`, and for another partition whose columns have the same values.
    """
    found = published_file(folder, stamp.column_key)
    if found.stamp and (found.stamp.decoded or stamp.decoded):
        require_other_columns([found.stamp, stamp], folder.uri)
    return found


def stamps_of(files: Mapping[str, PublishedFile]) -> dict[str, PartitionStamp]:
    """The stamps of the partitions that have one."""
    return {key: file.stamp for key, file in files.items() if file.stamp is not None}


def others_published(folder: Location, stamps: Sequence[PartitionStamp]) -> list[str]:
    """Names of the published partitions that are not in `stamps`.

    Raises OutputError if they have other fields: readers would see their rows as well.
    """
    mine, keys = list(stamps[0].partition), published_keys(folder)
    for key in keys:
        theirs = [unquote(segment.partition("=")[0]) for segment in key.split("/")]
        if theirs != mine:
            raise OutputError(
                f"not published: {folder} holds {key}, a partition by {', '.join(theirs)}, and this run's partitions "
                f"are by {', '.join(mine)}. A reader would see rows twice. Publish to another folder, or delete "
                "the published partitions that have other fields"
            )
    return sorted({*keys} - {stamp.column_key for stamp in stamps})


def require_no_table(folder: Location) -> None:
    """Raises OutputError if the folder holds a table: files beside those that it names are nobody's."""
    for kind in KINDS:
        if kind.is_in(folder):
            raise OutputError(
                f"not published: {folder} holds {kind.name}, whose readers do not see other files. Say that it is one "
                f"(table={kind.given}, on the command line --table {kind.option}), or publish to another folder"
            )
