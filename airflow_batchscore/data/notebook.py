"""The types that pandas in a notebook gives to columns for which user code gets plainer types here.

Integers are float64 here and int64 in pandas; categories in a Parquet file become their values, and pandas' nullable
types become what `pandas.read_csv` returns. Code whose results are the same for both behaves as in the notebook; other
code must not score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_batchscore.data.blocks import cut
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.formats.base import Dtypes
from airflow_batchscore.data.formats.registry import format_named

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pandas.api.extensions import ExtensionDtype

_WHOLE = ("int64", "uint64")
_MOST_NAMED = 12


def notebook_types(
    dataset: PartitionedDataset,
    partitions: Sequence[Partition],
    raw: Mapping[str, str | None],
    types: Mapping[str, str | None],
) -> Dtypes:
    """Columns with the type that pandas gives them, where it differs from the one they are read with.

    Columns with a declared type are not included. The first file with rows decides.

    Args:
        raw: column -> type name in the files.
        types: column -> type name it is read with.

    Raises InputError if a file cannot be read.
    """
    open_to_doubt = {name: kind for name, kind in types.items() if name not in dataset.column_types}
    # Unsigned ones too: no score should depend on 1 - 2 being 18446744073709551615 there.
    whole = {name: "int64" for name, kind in open_to_doubt.items() if kind == "float64" and raw.get(name) in _WHOLE}
    for partition in partitions:
        for file in partition.files:
            source = cut(dataset, replace(partition, files=(file,)), block_rows=1 << 30)[0].source
            names = [name for name in open_to_doubt if name in source.columns]
            stated = format_named(source.format).notebook_types(source, dataset.settings, names)
            if stated is not None:
                return {**whole, **stated}
    return dict(whole)


def that_apply(dtypes: Dtypes, table: pa.Table) -> Dtypes:
    """Those of `dtypes` that a notebook's frame of this table has: integers are floats if one is missing."""
    present = {name: dtype for name, dtype in dtypes.items() if name in table.column_names}
    floats = {name for name, dtype in present.items() if isinstance(dtype, str) and table.column(name).null_count}
    return {name: dtype for name, dtype in present.items() if name not in floats}


def with_types(frame: pd.DataFrame, dtypes: Dtypes) -> pd.DataFrame:
    """The frame with these types. Raises TypeError or ValueError if a value does not fit its type."""
    import pandas as pd

    def full(name: str, dtype: str | ExtensionDtype) -> str | ExtensionDtype:
        if not isinstance(dtype, pd.CategoricalDtype):
            return dtype
        # Other files, or later row groups, can have more categories than the first.
        new = sorted(set(frame[name].dropna()) - set(dtype.categories))
        return pd.CategoricalDtype([*dtype.categories, *new], dtype.ordered) if new else dtype

    return frame.astype({name: full(name, dtype) for name, dtype in dtypes.items()})


def remedy(name: str, dtype: str | ExtensionDtype, *, or_plain: bool = True) -> str:
    """What a user can do about a column that has this type in pandas.

    Args:
        or_plain: whether the type it has here may be what the user wants.
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
        shown = list(map(str, dtype.categories[:_MOST_NAMED]))
        categories = f"{shown}" if len(shown) == len(dtype.categories) else f"[{', '.join(map(repr, shown))}, ...]"
        how = ", ordered=True" if dtype.ordered else ""
        return (
            f"{name!r} is stored as categories, which arrive as text here. Make them in the function: "
            f"frame[{name!r}] = pd.Categorical(frame[{name!r}], categories={categories}{how}){unless('text', 'string')}"
        )
    kind = "string" if isinstance(dtype, pd.StringDtype) else "bool" if str(dtype) == "boolean" else "float64"
    return (
        f"{name!r} is stored as {dtype}, whose missing values are <NA>; here it has NaN, as in pandas.read_csv. "
        f"Convert it in the function: frame[{name!r}] = frame[{name!r}].astype({str(dtype)!r}){unless('NaN', kind)}"
    )
