"""Parquet: small row groups are merged into a block, a large one is cut into row ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.formats.base import (
    Block,
    CutRequest,
    Dtypes,
    Format,
    Range,
    ReadSettings,
    Source,
    Types,
    require_bytes,
)
from airflow_batchscore.data.formats.parquet_footer import input_footer
from airflow_batchscore.data.formats.parquet_reader import ParquetReader
from airflow_batchscore.data.formats.typed_rows import TypedRows, key_types_in, types_in
from airflow_batchscore.data.storage import FileInfo, Location
from airflow_batchscore.data.storage.opened import stamp_of
from airflow_batchscore.data.type_names import is_text

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pandas.api.extensions import ExtensionDtype


class Parquet(Format):
    """Row groups of typed columns, with a footer."""

    name = "parquet"
    typed = True

    def cut(self, file: FileInfo, settings: ReadSettings, request: CutRequest) -> tuple[Source, Sequence[Range]]:
        location = Location(file.uri, settings.conn_id)
        stamp = file.stamp or stamp_of(location)
        require_bytes(file.uri, stamp.size)
        reader = ParquetReader(location, stamp, request.columns, request.batch_bytes)
        batch_rows = reader.batch_rows(request.block_rows)
        source = Source(
            file.uri,
            stamp,
            self.name,
            "row_groups",
            reader.column_names,
            rows=reader.metadata.num_rows,
            batch_rows=batch_rows,
            batch_bytes=request.batch_bytes,
            keys=key_types_in(reader.schema, request.keys),
        )
        return source, reader.cut(request.block_rows, batch_rows)

    def read(self, block: Block, settings: ReadSettings, columns: Types, keys: Types) -> Iterator[Batch]:
        source, rows = block.source, TypedRows(block, settings, columns, keys)
        reader = ParquetReader(Location(source.uri, settings.conn_id), source.stamp, rows.names, source.batch_bytes)
        place = (block.start, block.stop, *block.rows)
        return rows.of(reader.read(place, source.batch_rows), reader.schema)

    def types(
        self, block: Block, settings: ReadSettings, wanted: Callable[[str], bool], *, sample: bool
    ) -> Iterator[tuple[str, str]]:
        source = block.source
        names = [name for name in source.columns if wanted(name)]
        return types_in(ParquetReader(Location(source.uri, settings.conn_id), source.stamp, names).schema, wanted)

    def rows(self, block: Block, settings: ReadSettings) -> int | None:
        if block.rows[1]:
            return block.rows[1] - block.rows[0]
        metadata = input_footer(Location(block.source.uri, settings.conn_id), block.source.stamp)
        return sum(int(metadata.row_group(group).num_rows) for group in range(block.start, block.stop))

    def notebook_types(self, source: Source, settings: ReadSettings, names: Sequence[str]) -> Dtypes | None:
        """Pandas' nullable types, from the metadata it writes, and categories of text."""
        reader = ParquetReader(Location(source.uri, settings.conn_id), source.stamp, names)
        return _notebook_types(reader, names) if reader.metadata.num_rows else None


def _notebook_types(reader: ParquetReader, names: Sequence[str]) -> Dtypes:
    import pyarrow.types as pt

    schema = reader.metadata.schema.to_arrow_schema()
    dtypes: dict[str, str | ExtensionDtype] = {
        column["field_name"]: dtype
        for column in (schema.pandas_metadata or {}).get("columns", ())
        if column.get("field_name") in names and (dtype := _nullable(column.get("numpy_type"))) is not None
    }
    texts = {field.name for field in schema if pt.is_dictionary(field.type) and is_text(field.type.value_type)}
    if texts & set(names):  # pandas also reads back categories of numbers as numbers once they have been in a file
        first = next(reader.read((0, reader.metadata.num_row_groups, 0, 0), 1))
        columns = zip(first.schema, first.columns, strict=True)
        dtypes |= {field.name: _category(column) for field, column in columns if field.name in texts}
    return dtypes


def _nullable(name: object) -> ExtensionDtype | None:
    """The type of that name if it is specific to pandas; None if NumPy, and so this package, has it."""
    import pandas as pd

    try:
        dtype = pd.api.types.pandas_dtype(name)
    except (TypeError, ValueError):  # from another pandas version or another library
        return None
    if not isinstance(dtype, pd.api.extensions.ExtensionDtype) or not hasattr(dtype, "__from_arrow__"):
        return None
    return None if isinstance(dtype, (pd.DatetimeTZDtype, pd.CategoricalDtype)) else dtype


def _category(column: pa.DictionaryArray) -> pd.CategoricalDtype:
    import pandas as pd

    return pd.CategoricalDtype(column.dictionary.to_pylist(), ordered=column.type.ordered)
