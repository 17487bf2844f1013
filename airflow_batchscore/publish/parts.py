"""The scores that are published, read from the parts of committed partitions and held to their manifests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.pattern import Values
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa


def require_same_schema(manifests: Sequence[Manifest]) -> None:
    """Raises OutputError when partitions of one run have different columns."""
    first = manifests[0]
    for manifest in manifests:
        if manifest.schema != first.schema:
            raise OutputError(
                f"partition {manifest.key} has the columns {manifest.schema}, partition {first.key} has "
                f"{first.schema}; partitions of one output must have the same"
            )


def read_parts(manifest: Manifest) -> Iterator[pa.Table]:
    """The scores of a partition in the order of its rows, one part at a time.

    Raises:
        GateError: a part does not hold the rows that the manifest says.
        OutputError: the parts have different columns.
    """
    import pyarrow.parquet as pq

    for block in manifest.blocks:
        uri = storage.join(manifest.folder, block.part)
        fs, path = storage.filesystem(uri, manifest.conn_id)
        with fs.open_input_file(path) as source:
            table = pq.read_table(source)
        found = {field.name: str(field.type) for field in table.schema}
        if found != manifest.schema:
            raise OutputError(
                f"partition {manifest.key}: {uri} has the columns {found}, the partition's first part has "
                f"{manifest.schema}. The types of the key columns differ between its files; make them the same"
            )
        if table.num_rows != block.rows:
            raise GateError(
                f"partition {manifest.key}: {uri} holds {table.num_rows} rows, its manifest says {block.rows}; score "
                "the partition again with force"
            )
        yield table.replace_schema_metadata(None)


def part_schema(manifest: Manifest) -> pa.Schema:
    """Columns of the parts of a partition."""
    import pyarrow.parquet as pq

    fs, path = storage.filesystem(storage.join(manifest.folder, manifest.blocks[0].part), manifest.conn_id)
    with fs.open_input_file(path) as source:
        return pq.read_schema(source).remove_metadata()


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
