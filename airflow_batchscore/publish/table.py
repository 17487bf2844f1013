"""The scores of several partitions as one table, for outputs that keep them together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.data.pattern import Values
from airflow_batchscore.data.type_names import arrow_type
from airflow_batchscore.errors import OutputError, listed
from airflow_batchscore.publish.parts import common_schema, read_parts
from airflow_batchscore.publish.stamp import Statement
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")


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
    def of(
        cls,
        manifests: Sequence[Manifest],
        kept: Iterable[Values] = (),
        published: Mapping[str, str] | None = None,
        declared: Mapping[str, str] | None = None,
    ) -> ScoresTable:
        """The table that holds these partitions, and those with the field values `kept`, which are published already.

        A field has its declared type, or else that of the published output if its values fit, or else the one that its
        values seem to have: so a run that happens to see only numbers does not turn text into numbers.

        Args:
            published: `Statement.schema` of the output, if there is one.
            declared: partition field -> Arrow type, by the user.

        Raises:
            GateError: a part is gone or damaged.
            OutputError: the partitions have different columns, or a value does not fit the declared type of its field.
        """
        own = manifests[0].columns
        # Kept partitions with other fields have other columns, which is reported when the columns are compared.
        others = [values for values in kept if list(values) == list(own)]
        partitions = [*(manifest.columns for manifest in manifests), *others]
        require_field_types(declared or {}, list(own))
        types = {name: _field_type(name, partitions, (published or {}).get(name)) for name in own}
        types |= {name: _declared(name, kind, partitions) for name, kind in (declared or {}).items()}
        return cls(types, common_schema(manifests))

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
        return (self.with_fields(rows, manifest.columns) for rows in read_parts(manifest, self.columns))

    def with_fields(self, rows: pa.Table, values: Values) -> pa.Table:
        """The rows of a part with the partition's fields in front; `values` are `Manifest.columns`."""
        import pyarrow as pa

        fields = self.field_columns(values, rows.num_rows)
        return pa.table([*fields.columns, *rows.columns], schema=self.schema)

    def field_columns(self, values: Values, rows: int) -> pa.Table:
        """The partition's fields alone: as many equal rows."""
        import pyarrow as pa

        texts = {name: None if values[name] == NO_VALUE else values[name] for name in self.fields}
        columns = [
            pa.repeat(pa.scalar(texts[name], pa.string()).cast(kind), rows) for name, kind in self.fields.items()
        ]
        return pa.table(columns, schema=pa.schema(list(self.fields.items())))

    def require_same(self, published: Statement, kept: Sequence[str], output: str) -> None:
        """Raises OutputError if partitions are `kept` (keys) in the output, and what is published has other columns."""
        if kept and list(self.types.items()) != list(published.schema.items()):
            retyped = any(published.schema.get(name, str(kind)) != str(kind) for name, kind in self.fields.items())
            hint = ". CombineOperator(field_types={field: type}) names the type of a partition field" if retyped else ""
            raise OutputError(
                f"not published: {output} cannot be added to: {difference(published.schema, self.types)}. The "
                f"partitions that this run did not score ({listed(kept)}) cannot be kept beside "
                f"these. Score them too, publish somewhere else, or drop them with replace_all=True{hint}"
            )


def require_field_types(declared: Mapping[str, str], fields: Sequence[str]) -> None:
    """Raise OutputError for a declared type of an unknown field, or one that Arrow does not know."""
    for name, kind in declared.items():
        if name not in fields:
            raise OutputError(f"field_types names {name!r}, which is no partition field; there are {', '.join(fields)}")
        _arrow_type(name, kind)


def _arrow_type(name: str, kind: str) -> pa.DataType:
    try:
        return arrow_type(kind)
    except (ValueError, TypeError, AttributeError):
        raise OutputError(
            f"field_types={{{name!r}: {kind!r}}} is no type; write one of Arrow's, such as 'int64', 'string' or "
            "'date32'"
        ) from None


def _field_type(name: str, partitions: Sequence[Values], published: str | None) -> pa.DataType:
    """The published type if all values fit; otherwise int64 for integers without leading zeros, or text.

    The name that stands for no value is a missing one, as it is for what reads folders of such names.
    """
    import pyarrow as pa

    values = {partition[name] for partition in partitions} - {NO_VALUE}
    seen = pa.int64() if values and all(is_int64(value) for value in values) else pa.string()
    try:
        kind = arrow_type(published) if published else seen
    except (ValueError, TypeError):  # a column of the scores had that name, and all of the output is replaced
        return seen
    if values and pa.types.is_integer(kind) and seen != pa.int64():
        return seen  # no cast may drop leading zeros
    return kind if _unfit(values, kind) is None else seen


def is_int64(text: str) -> bool:
    """Whether a text is a whole number of 64 bits as it is written without ``+`` and leading zeros."""
    return _INTEGER.fullmatch(text) is not None and -(1 << 63) <= int(text) < 1 << 63


def _declared(name: str, kind: str, partitions: Sequence[Values]) -> pa.DataType:
    wanted = _arrow_type(name, kind)
    unfit = _unfit({partition[name] for partition in partitions} - {NO_VALUE}, wanted)
    if unfit is not None:
        raise OutputError(
            f"not published: partition {name}={unfit!r} does not fit field_types={{{name!r}: {kind!r}}}; declare it "
            "'string', or leave it out"
        )
    return wanted


def _unfit(values: Iterable[str], kind: pa.DataType) -> str | None:
    """A value that cannot be cast."""
    import pyarrow as pa

    for value in values:
        try:
            pa.scalar(value).cast(kind)
        except pa.ArrowException:
            return value
    return None


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
