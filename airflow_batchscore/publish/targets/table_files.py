"""The data files of a table: one per partition, made of the bytes of its parts; see `parquet_writer`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import Json
from airflow_batchscore.data.pattern import Values
from airflow_batchscore.data.storage import Location, real
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.spread import on_workers
from airflow_batchscore.publish.stamp import PartitionStamp, Publication
from airflow_batchscore.publish.table import ScoresTable
from airflow_batchscore.publish.targets.parquet_writer import write_partition
from airflow_batchscore.publish.targets.partition_files import PartitionJob
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow.parquet as pq

#: Begins the names of data files, and of no other program's.
PREFIX = "batchscore-"
#: Longer texts are left out of the statistics.
_LONGEST = 32


@dataclass(frozen=True)
class DataFile:
    """A file of a partition.

    Attributes:
        path: below the table's folder.
        nulls: column -> number of nulls.
        least, most: column -> smallest and largest value, as Delta's log has them, where they are known exactly.
    """

    path: str
    partition: Values
    rows: int
    size: int
    nulls: dict[str, int]
    least: dict[str, Json]
    most: dict[str, Json]

    @property
    def stats(self) -> str:
        """Of Delta's log."""
        value = {"numRecords": self.rows, "nullCount": self.nulls, "minValues": self.least, "maxValues": self.most}
        return json.dumps(value)


@dataclass(frozen=True, kw_only=True)
class _Writing(PartitionJob):
    folder: Location
    path: str
    table: ScoresTable


def write_files(
    folder: Location,
    table: ScoresTable,
    new: Sequence[tuple[PartitionStamp, Manifest]],
    publication: Publication,
    below: Callable[[str], str],
) -> dict[str, DataFile]:
    """Write the data files of partitions that have rows; no table names them yet. Returns them by partition key.

    Args:
        folder: the table's.
        below: the folder in it for the key of a partition's columns.

    Raises:
        GateError: a part differs from its manifest.
        OutputError: the engine's workers do not share the output's disk.
    """
    jobs = [
        _Writing(
            stamp=stamp,
            manifest=manifest,
            folder=folder,
            path=f"{below(stamp.column_key)}/{PREFIX}{uuid.uuid4()}.parquet".lstrip("/"),  # a dataset may have no field
            table=table,
        )
        for stamp, manifest in new
        if manifest.rows
    ]
    written = {file.path: file for file in on_workers(publication, _write, jobs, remote=not folder.is_local)}
    gone = next((path for path in written if folder.is_local and not Path(real(folder.uri), path).exists()), None)
    if gone:
        raise OutputError(
            f"not published: {folder}/{gone} was written on a worker and is not on this one. The engine's workers need "
            "the output's disk at the same path; or publish in the task, with CombineOperator(engine=LocalDask())"
        )
    return {job.stamp.key: written[job.path] for job in jobs}


def _write(job: _Writing) -> DataFile:
    import pyarrow.parquet as pq

    with storage.atomic_file(job.folder / job.path) as path:
        write_partition(path, job.stamp, job.manifest, job.table)
        nulls, least, most = _statistics(pq.read_metadata(path))
        size = path.stat().st_size
    return DataFile(job.path, job.stamp.columns, job.manifest.rows, size, nulls, least, most)


def _statistics(footer: pq.FileMetaData) -> tuple[dict[str, int], dict[str, Json], dict[str, Json]]:
    """Nulls, smallest and largest values of the columns for which every row group says them."""
    nulls: dict[str, int] = {}
    least: dict[str, Json] = {}
    most: dict[str, Json] = {}
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    for place in range(footer.num_columns):
        column = footer.schema.column(place)
        said = [group.column(place).statistics for group in groups]
        if all(one is not None and one.has_null_count for one in said):
            nulls[column.name] = sum(one.null_count for one in said)
        # Not of floats: a footer leaves out NaN, which is the largest value for those who read a table.
        known = column.physical_type in ("INT32", "INT64", "BYTE_ARRAY") and all(
            one and one.has_min_max for one in said
        )
        ends = [end for one in said for end in (one.min, one.max)] if known else []
        if ends and all(type(end) is int or (type(end) is str and len(end) <= _LONGEST) for end in ends):
            least[column.name], most[column.name] = min(ends), max(ends)
    return nulls, least, most
