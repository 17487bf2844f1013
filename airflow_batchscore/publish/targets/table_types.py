"""The types of columns that Delta and Iceberg have in common, and which of them holds an Arrow type exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_batchscore.data.common_type import plain
from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.data.pattern import Values
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.table import is_int64

if TYPE_CHECKING:
    import pyarrow as pa


def table_schema(columns: pa.Schema) -> pa.Schema:
    """`columns` as a table holds them. Raises OutputError for a type that no table has."""
    import pyarrow as pa

    kinds = {field.name: table_type(field.type) for field in columns}
    without = [f"{field.name} ({field.type})" for field in columns if kinds[field.name] is None]
    if without:
        raise OutputError(
            f"not published: a table has no type for {', '.join(without)}. Give these columns another type, or leave "
            "them out of the keys or outputs"
        )
    return pa.schema([pa.field(field.name, kinds[field.name], field.nullable) for field in columns])


def table_type(kind: pa.DataType) -> pa.DataType | None:
    """The type of a table that holds all values of an Arrow type, or those that fit; None if there is none.

    Times are instants in UTC, in microseconds; a value that is not exact so is refused when it is written.
    """
    import pyarrow as pa
    import pyarrow.types as pt

    kind = plain(kind)
    if pt.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind):
        return pa.string()
    if pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_binary_view(kind):
        return pa.binary()
    if pt.is_integer(kind):
        return pa.int32() if kind.bit_width < 32 or pt.is_int32(kind) else pa.int64()
    if pt.is_float16(kind):
        return pa.float32()
    if pt.is_decimal(kind) and kind.precision <= 38:
        return pa.decimal128(kind.precision, kind.scale)
    same = pt.is_boolean(kind) or pt.is_date32(kind) or pt.is_floating(kind)
    return kind if same else None


def require_values(fields: Mapping[str, pa.DataType], values: Values, output: str) -> None:
    """Raises OutputError if a partition's values cannot stand in the table's partition columns. No value is a null."""
    import pyarrow as pa
    import pyarrow.types as pt

    for name, kind in fields.items():
        text = values[name]
        if text == NO_VALUE:
            continue
        if pt.is_integer(kind):
            try:
                exact = is_int64(text) and pa.scalar(int(text), kind).is_valid
            except (pa.ArrowException, OverflowError):
                exact = False
        elif pt.is_date32(kind):
            try:
                exact = str(pa.scalar(text).cast(kind)) == text
            except pa.ArrowException:
                exact = False
        else:
            exact = pt.is_string(kind)
        if not exact:
            raise OutputError(
                f"not published: the partition column {name} of the table {output} is {kind}, which cannot hold "
                f"{name}={text} as it is. Publish to a table whose column is text"
            )
