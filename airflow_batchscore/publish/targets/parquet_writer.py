"""Writes published Parquet files from parts.

Where nothing in a part has to change, its row groups are copied as bytes, once all pages were decoded to check them;
see docs/decisions/0023-row-groups-are-copied.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from airflow_batchscore.data.formats.parquet_footer import DamagedParquetError
from airflow_batchscore.data.formats.parquet_groups import EncodedFile, EncodedGroup, GroupsWriter, encode
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.ahead import in_order
from airflow_batchscore.publish.parts import Part, part_schema
from airflow_batchscore.publish.stamp import PartitionStamp, Statement
from airflow_batchscore.publish.table import ScoresTable
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa

#: Name of the statement in the footer.
FOOTER_KEY = b"batchscore"
#: Maximum rows of a row group that is encoded here.
_GROUP_ROWS = 1 << 20
#: Row groups with fewer rows on average are encoded again as larger ones: readers pay for each. Scoring writes one for
#: each batch, which has 250,000 rows of 33 numbers.
_LEAST_ROWS = 1 << 15

#: A row group whose columns are those of several encoded ones.
Sides: TypeAlias = tuple[EncodedGroup, ...]


class PartsWriter:
    """Writes a file partition by partition; the statement goes into the footer."""

    def __init__(self, path: Path, table: ScoresTable) -> None:
        self._table = table
        self._columns = encode([], table.columns).footer
        self._fields = lru_cache(maxsize=8)(self._encode_fields)
        self._sink = path.open("wb")
        self._groups = GroupsWriter(self._sink, encode([], table.schema).footer)

    def encode(self, part: Part) -> list[Sides]:
        """The row groups of a part: copied if nothing in it has to change, otherwise encoded again. For any thread."""
        file = part.read()
        copied = part.has_own_footer(file) and file.footer.can_be_copied(self._columns)
        groups = part.groups(file) if copied else []
        if not copied or _are_small(groups) or part.check(file).types != self._table.columns.types:
            groups = encoded(part.table(file, self._table.columns)).groups
        groups = [group for group in groups if group.rows]
        if not self._table.fields:
            return [(group,) for group in groups]
        sizes = tuple(group.rows for group in groups)
        return list(zip(self._fields(tuple(part.manifest.columns.items()), sizes), groups, strict=True))

    def _encode_fields(self, values: Sequence[tuple[str, str]], sizes: Sequence[int]) -> list[EncodedGroup]:
        """Row groups of the partition's fields alone. Most parts of a partition have the same."""
        tables = [self._table.field_columns(dict(values), rows) for rows in sizes]
        return encode(tables, self._table.field_columns(dict(values), 0).schema, use_dictionary=True).groups

    def add(self, stamp: PartitionStamp, pieces: Iterable[Sequence[Sides]]) -> PartitionStamp:
        """Write a partition; returns its stamp with its position."""
        first = self._groups.count
        for piece in pieces:
            for sides in piece:
                try:
                    self._groups.append(*sides)
                except DamagedParquetError as error:
                    raise OutputError(
                        f"not published: partition {stamp.key}: {error}. Score it again with force"
                    ) from error
        return stamp.at(first, self._groups.count)

    def state(self, statement: Statement) -> None:
        """Write the statement of its content. The file is then complete."""
        self._groups.finish({FOOTER_KEY: replace(statement, groups=self._groups.digest).to_bytes()})

    def close(self) -> None:
        self._sink.close()


def write_partition(path: Path, stamp: PartitionStamp, manifest: Manifest, table: ScoresTable | None = None) -> None:
    """Write a file of one partition.

    Args:
        table: its columns; None for those of its parts, without the partition's fields.
    """
    parts = Part.all_of(manifest)
    with (
        closing(PartsWriter(path, table or ScoresTable({}, part_schema(manifest)))) as file,
        closing(in_order(file.encode, parts, lambda part: part.size)) as pieces,
    ):
        file.add(stamp, pieces)
        file.state(Statement(table.types if table else manifest.schema, [stamp]))


def encoded(table: pa.Table) -> EncodedFile:
    """Rows as row groups; none if there is no row."""
    return encode((table.slice(row, _GROUP_ROWS) for row in range(0, table.num_rows, _GROUP_ROWS)), table.schema)


def _are_small(groups: Sequence[EncodedGroup]) -> bool:
    return len(groups) > 1 and sum(group.rows for group in groups) < _LEAST_ROWS * len(groups)
