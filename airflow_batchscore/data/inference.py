"""Column types of a data set as training finds them, which scoring then holds every partition to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.blocks import Source, cut, require_columns
from airflow_batchscore.data.csv_reader import NULL_VALUES
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.parquet_footer import read_footer
from airflow_batchscore.data.store_errors import is_store_error
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


_SAMPLE_BYTES = 1 << 18


def infer_types(
    dataset: PartitionedDataset,
    partitions: Sequence[Partition],
    columns: Sequence[str] | None,
    required: Sequence[str] = (),
) -> dict[str, str | None]:
    """Type names of `columns` (all when None) over all files of `partitions`, each of which must have `required`.

    Columns that mix numbers and text, or hold nothing, are text. A Parquet type with no name here (timestamp, list,
    decimal) is None: taken as the file has it.
    """
    found: dict[str, set[str | None]] = {}
    for partition in partitions:
        sources = {block.source.uri: block.source for block in cut(dataset, partition, block_rows=1 << 30)}
        for source in sources.values():
            require_columns(source, required, partition_key=partition.key)
            for field in _schema(dataset, source, columns):
                found.setdefault(field.name, set()).add(_type_name(field.type))
    declared = dataset.column_types
    return {name: declared.get(name) or _agreed(types) for name, types in found.items()}


def sample_types(
    dataset: PartitionedDataset, partition: Partition, columns: Sequence[str] | None, required: Sequence[str]
) -> dict[str, str | None]:
    """`infer_types` of one partition from the first rows of its first file, for what is never trained on.

    Raises InputError that names a column which is not there.
    """
    source = cut(dataset, partition, block_rows=1 << 30)[0].source
    require_columns(source, [*(columns or ()), *required], partition_key=partition.key)
    declared = dataset.column_types
    return {
        field.name: declared.get(field.name) or _agreed({_type_name(field.type)})
        for field in _schema(dataset, source, columns, sample=True)
    }


def _schema(
    dataset: PartitionedDataset, source: Source, columns: Sequence[str] | None, *, sample: bool = False
) -> Iterable[pa.Field]:
    import pyarrow as pa
    import pyarrow.csv as pc

    wanted = [name for name in source.columns if columns is None or name in columns]
    if source.kind == "row_groups":
        schema = read_footer(source.uri, dataset.conn_id).schema.to_arrow_schema()
        return [schema.field(name) for name in wanted]
    options: dict[str, Any] = dataset.read_options
    fs, path = storage.filesystem(source.uri, dataset.conn_id)
    try:
        with fs.open_input_stream(path, compression="detect") as opened:
            encoding = options.get("encoding") or "utf8"
            found = (pc.open_csv if sample else pc.read_csv)(
                opened,
                pc.ReadOptions(encoding=encoding, block_size=_SAMPLE_BYTES if sample else None),
                pc.ParseOptions(
                    delimiter=options.get("delimiter", ","),
                    quote_char=options.get("quotechar", '"'),
                    newlines_in_values=True,
                    # What training reads must be whole; a bad row of a sample goes to quarantine when it is its turn.
                    invalid_row_handler=(lambda row: "skip") if sample else None,
                ),
                pc.ConvertOptions(
                    include_columns=wanted,
                    null_values=options.get("null_values", NULL_VALUES),
                    strings_can_be_null=True,
                    timestamp_parsers=[],
                ),
            )
            return list(found.schema)
    except (pa.ArrowInvalid, OSError) as error:
        if is_store_error(error):
            raise
        raise InputError(f"{source.uri} cannot be read: {error}") from error


def _type_name(arrow: pa.DataType) -> str | None:
    import pyarrow.types as pt

    if pt.is_dictionary(arrow):
        arrow = arrow.value_type
    if pt.is_integer(arrow):
        return "int64"
    if pt.is_floating(arrow):
        return "float64"
    if pt.is_boolean(arrow):
        return "bool"
    if pt.is_null(arrow):
        return "null"
    if pt.is_string(arrow) or pt.is_large_string(arrow) or pt.is_date(arrow) or pt.is_time(arrow):
        return "string"
    return None


def _agreed(types: set[str | None]) -> str | None:
    types = types - {"null"}
    if types == {"int64", "float64"}:
        return "float64"
    return next(iter(types)) if len(types) == 1 else "string"


def reading_types(
    declared: Mapping[str, str], raw: Mapping[str, str | None], columns: Iterable[str], whole: Sequence[str] = ()
) -> dict[str, str | None]:
    """Types to read `columns` with, given those that training found.

    Whole numbers are read as float64, so that a missing value does not change a column's type from block to block;
    columns in `whole`, and those whose type is declared, keep theirs.
    """

    def of(name: str) -> str | None:
        found = declared.get(name) or raw.get(name)
        return "float64" if found == "int64" and name not in whole and name not in declared else found

    return {name: of(name) for name in columns}
