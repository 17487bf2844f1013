"""The scores that are published, read from the parts of committed partitions and held to their manifests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.casting import fit
from airflow_batchscore.data.common_type import common_type
from airflow_batchscore.data.parquet_footer import DamagedParquetError, read_footer
from airflow_batchscore.data.pattern import Values
from airflow_batchscore.data.store_errors import is_store_error
from airflow_batchscore.data.type_names import name_of
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa


def common_schema(manifests: Sequence[Manifest]) -> pa.Schema:
    """Columns of the parts of all partitions, whose key columns may have several types that one holds exactly.

    Raises OutputError when partitions of one run have different columns.
    """
    import pyarrow as pa

    examples: dict[tuple[tuple[str, str], ...], Manifest] = {}
    for manifest in manifests:
        examples.setdefault(tuple(manifest.schema.items()), manifest)
    first, *others = examples.values()
    schema = part_schema(first)
    for other in others:
        theirs = part_schema(other)
        kinds = [
            common_type([mine.type, their.type]) if mine.name in other.keys or mine.type == their.type else None
            for mine, their in zip(schema, theirs, strict=False)
        ]
        if schema.names != theirs.names or None in kinds:
            raise OutputError(
                f"partition {other.key} has the columns {other.schema}, partition {first.key} has {first.schema}; "
                "partitions of one output must have the same, or types of the keys that one type holds exactly"
            )
        schema = pa.schema(list(zip(schema.names, kinds, strict=True)))
    return schema


def read_parts(manifest: Manifest, schema: pa.Schema | None = None) -> Iterator[pa.Table]:
    """The scores of a partition in the order of its rows, one part at a time.

    Args:
        schema: of the tables, as `common_schema` gives it; that of the parts when None.

    Raises:
        GateError: a part is gone or damaged, or does not hold the rows that the manifest says.
        OutputError: the parts have different columns, or a value is not exact in the type that is to hold all.
    """
    import pyarrow.parquet as pq

    for block in manifest.blocks:
        uri = storage.join(manifest.folder, block.part)
        fs, path = storage.filesystem(uri, manifest.conn_id)
        with _usable(manifest, uri), fs.open_input_file(path) as source:
            try:
                table = pq.read_table(source, page_checksum_verification=True)
            except OSError as error:
                if is_store_error(error):
                    raise
                raise DamagedParquetError(str(error)) from error
        found = {field.name: str(field.type) for field in table.schema}
        if found != manifest.schema:
            raise OutputError(
                f"partition {manifest.key}: {uri} has the columns {found}, the partition's first part has "
                f"{manifest.schema}. The types of the key columns differ between its files; make them the same"
            )
        if table.num_rows != block.rows:
            raise _unfit(manifest, f"{uri} holds {table.num_rows} rows, its manifest says {block.rows}")
        yield _typed(table.replace_schema_metadata(None), schema or table.schema, f"partition {manifest.key}: {uri}")


def _typed(table: pa.Table, schema: pa.Schema, what: str) -> pa.Table:
    if table.schema.types == schema.types:
        return table
    fitted = fit(table, {}, {field.name: name_of(field.type) for field in schema}, what)
    if fitted.problems:
        row, message = min(fitted.problems.items())
        raise OutputError(f"{what}, row {row}: {message}. Other partitions of this output have that type")
    return fitted.keys


def part_schema(manifest: Manifest) -> pa.Schema:
    """Columns of the parts of a partition. Raises GateError: the first one is gone or damaged."""
    uri = storage.join(manifest.folder, manifest.blocks[0].part)
    with _usable(manifest, uri):
        return read_footer(uri, manifest.conn_id).schema.to_arrow_schema().remove_metadata()


@contextmanager
def _usable(manifest: Manifest, uri: str) -> Iterator[None]:
    """Say of which partition a part is gone or damaged, and what to do; other errors of a store are retried."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError as error:
        raise _unfit(manifest, f"{uri} is gone") from error
    except (DamagedParquetError, pa.ArrowException) as error:
        raise _unfit(manifest, f"{uri} is damaged ({error})") from error


def _unfit(manifest: Manifest, what: str) -> GateError:
    return GateError(f"not published: partition {manifest.key}: {what}; score it again with force")


def with_fields(tables: Iterable[pa.Table], values: Values, kinds: dict[str, pa.DataType]) -> Iterator[pa.Table]:
    """The tables with a column for each partition field in front."""
    import pyarrow as pa

    for table in tables:
        for place, (name, kind) in enumerate(kinds.items()):
            value = pa.scalar(values[name]).cast(kind)
            table = table.add_column(place, pa.field(name, kind), pa.repeat(value, table.num_rows))
        yield table


def field_types(partitions: Sequence[Values]) -> dict[str, pa.DataType]:
    """int64 for a field whose values are all whole numbers that fit, without leading zeros; text otherwise."""
    import pyarrow as pa

    def is_number(value: str) -> bool:
        return value.isascii() and value.isdigit() and str(int(value)) == value and int(value) < 1 << 63

    def kind(name: str) -> pa.DataType:
        return pa.int64() if all(is_number(partition[name]) for partition in partitions) else pa.string()

    return {name: kind(name) for name in partitions[0]}
