"""The types that a notebook's pandas gives to columns which user code gets in plainer ones.

Whole numbers are float64 here and int64 in pandas; categories of a Parquet file are their values, and pandas' nullable
types what `pandas.read_csv` has. Code that gives the same for both is the notebook's code; other code must not score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.blocks import cut
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.parquet_reader import ParquetReader
from airflow_batchscore.data.type_names import is_text

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: Column -> pandas' type: a text for whole numbers, else an object.
Dtypes = Mapping[str, Any]

_WHOLE = ("int64", "uint64")
_MOST_NAMED = 12


def notebook_types(
    dataset: PartitionedDataset,
    partitions: Sequence[Partition],
    found: Mapping[str, str | None],
    types: Mapping[str, str | None],
) -> dict[str, Any]:
    """Columns with the type that pandas gives them, where that is another than the one they are read with.

    Those whose type a person has declared are not among them. Parquet goes by the first file that has rows.

    Args:
        found: column -> type name, as the files have it.
        types: the type that it is read with.

    Raises InputError: a file cannot be read.
    """
    open_to_doubt = {name: kind for name, kind in types.items() if name not in dataset.column_types}
    # Of unsigned ones, too: that 1 - 2 is 18446744073709551615 there is nothing that a score should depend on.
    whole = {name: "int64" for name, kind in open_to_doubt.items() if kind == "float64" and found.get(name) in _WHOLE}
    for partition in partitions:
        for file in partition.files:
            source = cut(dataset, replace(partition, files=(file,)), block_rows=1 << 30)[0].source
            if source.kind != "row_groups":
                return dict(whole)
            reader = ParquetReader(source.uri, source.stamp, dataset.conn_id, list(open_to_doubt))
            if reader.metadata.num_rows:
                return {**whole, **_of_file(reader, open_to_doubt)}
    return dict(whole)


def _of_file(reader: ParquetReader, names: Mapping[str, Any]) -> dict[str, Any]:
    import pyarrow.types as pt

    schema = reader.metadata.schema.to_arrow_schema()
    found = {
        column["field_name"]: dtype
        for column in (schema.pandas_metadata or {}).get("columns", ())
        if column.get("field_name") in names and (dtype := _nullable(column.get("numpy_type"))) is not None
    }
    texts = {field.name for field in schema if pt.is_dictionary(field.type) and is_text(field.type.value_type)}
    if texts & set(names):  # categories of numbers are numbers to pandas, too, once they have been in a file
        first = next(reader.read((0, reader.metadata.num_row_groups, 0, 0), 1))
        columns = zip(first.schema, first.columns, strict=True)
        found |= {field.name: _category(column) for field, column in columns if field.name in texts}
    return found


def _nullable(name: Any) -> Any:
    """The type of that name where it is one of pandas' own; None where NumPy, and so this package, has it."""
    import pandas as pd

    try:
        dtype = pd.api.types.pandas_dtype(name)
    except (TypeError, ValueError):  # of another version of pandas, or of another library
        return None
    own = isinstance(dtype, pd.api.extensions.ExtensionDtype) and hasattr(dtype, "__from_arrow__")
    return dtype if own and not isinstance(dtype, (pd.DatetimeTZDtype, pd.CategoricalDtype)) else None


def _category(column: pa.DictionaryArray) -> pd.CategoricalDtype:
    import pandas as pd

    return pd.CategoricalDtype(column.dictionary.to_pylist(), ordered=column.type.ordered)


def that_apply(dtypes: Dtypes, table: pa.Table) -> dict[str, Any]:
    """Of `dtypes` those that a notebook's frame of this table has: whole numbers are floats where one is missing."""
    there = {name: dtype for name, dtype in dtypes.items() if name in table.column_names}
    floats = {name for name, dtype in there.items() if isinstance(dtype, str) and table.column(name).null_count}
    return {name: dtype for name, dtype in there.items() if name not in floats}


def with_types(frame: pd.DataFrame, dtypes: Dtypes) -> pd.DataFrame:
    """The frame with these types. Raises TypeError or ValueError where a value does not go with its type."""
    import pandas as pd

    def full(name: str, dtype: Any) -> Any:
        if not isinstance(dtype, pd.CategoricalDtype):
            return dtype
        # Other files, or later row groups, can have more categories than the first.
        new = sorted(set(frame[name].dropna()) - set(dtype.categories))
        return pd.CategoricalDtype([*dtype.categories, *new], dtype.ordered) if new else dtype

    return frame.astype({name: full(name, dtype) for name, dtype in dtypes.items()})


def remedy(name: str, dtype: Any, *, or_plain: bool = True) -> str:
    """What a person can do about a column that has this type in pandas.

    Args:
        or_plain: whether the type that it has here can be what is wanted.
    """
    import pandas as pd

    def declared(kind: str) -> str:
        return f"PartitionedDataset(read_options={{'column_types': {{{name!r}: {kind!r}}}}})"

    if isinstance(dtype, str):
        return (
            f"{name!r} holds whole numbers: {dtype} in pandas, float64 here, so that a missing one changes no type "
            f"from block to block; its texts are '3.0', not '3'. Declare it, {declared('int64')}, or convert it in the "
            f"function: frame[{name!r}].astype('Int64')"
        )

    def unless(what: str, kind: str) -> str:
        return f"; if {what} will do, declare it: {declared(kind)}" if or_plain else ""

    if isinstance(dtype, pd.CategoricalDtype):
        some = list(map(str, dtype.categories[:_MOST_NAMED]))
        named = f"{some}" if len(some) == len(dtype.categories) else f"[{', '.join(map(repr, some))}, ...]"
        how = ", ordered=True" if dtype.ordered else ""
        return (
            f"{name!r} is stored as categories, which arrive as text here. Make them in the function: "
            f"frame[{name!r}] = pd.Categorical(frame[{name!r}], categories={named}{how}){unless('text', 'string')}"
        )
    kind = "string" if isinstance(dtype, pd.StringDtype) else "bool" if str(dtype) == "boolean" else "float64"
    return (
        f"{name!r} is stored as {dtype}, whose missing values are <NA>; here it has NaN, as in pandas.read_csv. "
        f"Convert it in the function: frame[{name!r}] = frame[{name!r}].astype({str(dtype)!r}){unless('NaN', kind)}"
    )
