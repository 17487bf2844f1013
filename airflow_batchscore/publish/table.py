"""The scores of several partitions as one table, for outputs that keep them together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.data.pattern import Values
from airflow_batchscore.errors import OutputError, listed
from airflow_batchscore.publish.parts import common_schema, read_parts
from airflow_batchscore.publish.stamp import Statement
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ScoresTable:
    """The scores of partitions as one table: a column for each partition field, then the columns of the parts.

    Attributes:
        fields: partition field -> its type.
        columns: of the parts.
    """

    fields: Mapping[str, pa.DataType]
    columns: pa.Schema

    @classmethod
    def of(cls, manifests: Sequence[Manifest], kept: Iterable[Values] = ()) -> ScoresTable:
        """The table that holds these partitions, and those with the field values `kept`, which are published already.

        Raises:
            GateError: a part is gone or damaged.
            OutputError: the partitions have different columns.
        """
        own = manifests[0].partition
        # Kept partitions with other fields have other columns, which is reported when the columns are compared.
        others = [values for values in kept if list(values) == list(own)]
        return cls(_field_types([*(manifest.partition for manifest in manifests), *others]), common_schema(manifests))

    @property
    def schema(self) -> pa.Schema:
        """All of its columns."""
        import pyarrow as pa

        return pa.schema([*(pa.field(name, kind) for name, kind in self.fields.items()), *self.columns])

    @property
    def types(self) -> dict[str, str]:
        """Column -> Arrow type, as a `Statement` has it."""
        return {column.name: str(column.type) for column in self.schema}

    def read(self, manifest: Manifest) -> Iterator[pa.Table]:
        """The rows of a partition in order, one part at a time; see `read_parts`."""
        return (self.with_fields(rows, manifest.partition) for rows in read_parts(manifest, self.columns))

    def with_fields(self, rows: pa.Table, values: Values) -> pa.Table:
        """The rows of a part with the partition's fields in front."""
        import pyarrow as pa

        fields = self.field_columns(values, rows.num_rows)
        return pa.table([*fields.columns, *rows.columns], schema=self.schema)

    def field_columns(self, values: Values, rows: int) -> pa.Table:
        """The partition's fields alone: as many equal rows."""
        import pyarrow as pa

        columns = [pa.repeat(pa.scalar(values[name]).cast(kind), rows) for name, kind in self.fields.items()]
        return pa.table(columns, schema=pa.schema(list(self.fields.items())))

    def require_same(self, published: Statement, kept: Sequence[str], output: str) -> None:
        """Raises OutputError if partitions are `kept` (keys) in the output, and what is published has other columns."""
        if kept and list(self.types.items()) != list(published.schema.items()):
            raise OutputError(
                f"not published: {output} cannot be added to: {difference(published.schema, self.types)}. The "
                f"partitions that this run did not score ({listed(kept)}) cannot be kept beside "
                "these. Score them too, publish somewhere else, or drop them with replace_all=True"
            )


def _field_types(partitions: Sequence[Values]) -> dict[str, pa.DataType]:
    """int64 for a field whose values are all integers that fit, without leading zeros; text otherwise."""
    import pyarrow as pa

    def is_number(value: str) -> bool:
        return value.isascii() and value.isdigit() and str(int(value)) == value and int(value) < 1 << 63

    def kind(name: str) -> pa.DataType:
        return pa.int64() if all(is_number(partition[name]) for partition in partitions) else pa.string()

    return {name: kind(name) for name in partitions[0]}


def difference(published: Mapping[str, str], new: Mapping[str, str]) -> str:
    """The difference between two schemas, human-readable."""
    both = [name for name in published if name in new and new[name] != published[name]]
    differences = [
        f"the column {name} is {published[name]} in the published data and {new[name]} in this run" for name in both
    ]
    lacks = [name for name in published if name not in new]
    adds = [name for name in new if name not in published]
    if lacks:
        differences.append(f"the published data has the columns {', '.join(lacks)}, which this run lacks")
    if adds:
        differences.append(f"this run has the columns {', '.join(adds)}, which the published data lacks")
    return "; ".join(differences) or "the columns are in another order"
