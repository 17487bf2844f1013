"""Group columns with one canonical form per value: equal values end up in the same bucket and the same group.

Bucketing, grouping within a bucket and the published value all use this form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.data.plain_values import plain_values
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


#: Changes whenever a value may get another number.
HASHES = 2
#: Odd and large, so that columns of equal values do not cancel out.
_FACTOR = 0x9E3779B97F4A7C15


def canonical(table: pa.Table, group_by: Sequence[str]) -> pa.Table:
    """The group columns in canonical form: -0.0 is 0.0, NaN is null, dictionary values are plain.

    Raises InputError for a column whose values cannot be ordered, such as lists.
    """
    import pyarrow as pa

    columns = {}
    for name in group_by:
        column = plain_values(table.column(name))
        if not _makes_groups(column.type):
            raise InputError(
                f"group_by: the column {name!r} is {column.type}, which cannot make groups; name a column of plain "
                "values"
            )
        columns[name] = column
    return pa.table(columns)


def _makes_groups(kind: pa.DataType) -> bool:
    """Whether Arrow can compare and sort values of a type."""
    import pyarrow as pa
    import pyarrow.compute as pc

    empty = pa.nulls(0, kind)
    try:
        pc.sort_indices(empty)
        empty.dictionary_encode()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return False
    return True


def hashes(keys: pa.Table) -> np.ndarray:
    """The same number below 2**32 for the same values of canonical columns, in every block; evenly spread."""
    import numpy as np
    import pandas as pd
    import pyarrow.compute as pc

    mixed = np.zeros(keys.num_rows, np.uint64)
    for column in keys.columns:
        texts = pc.fill_null(_spelled(column), "").to_numpy()
        # Not by categories: pandas would end a text at its first NUL.
        hashed = pd.util.hash_array(texts, categorize=False)
        mixed = (mixed * np.uint64(_FACTOR) + hashed) * np.uint64(2) + column.is_valid().to_numpy().astype(np.uint64)
    # The lowest bits say little: of one column they say whether there is a value.
    return (mixed * np.uint64(_FACTOR)) >> np.uint64(32)


def places_of_groups(keys: pa.Table) -> list[np.ndarray]:
    """Row numbers of each group of canonical columns, in the order of values; missing counts as a value."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not keys.num_rows:
        return []
    ranks = []
    for column in keys.columns:
        encoded = column.combine_chunks().dictionary_encode()
        encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        rank = np.empty(len(encoded.dictionary) + 1, np.int64)
        rank[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(encoded.dictionary))
        rank[-1] = len(encoded.dictionary)  # missing values come last
        ranks.append(rank[pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy()])
    order = np.lexsort(ranks[::-1])
    changes = np.any([np.diff(rank[order]) != 0 for rank in ranks], axis=0)
    return np.split(order, np.flatnonzero(changes) + 1)


def _spelled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as text or bytes."""
    import pyarrow as pa
    import pyarrow.types as pt

    if pt.is_binary(column.type) or pt.is_large_binary(column.type) or pt.is_fixed_size_binary(column.type):
        return column.cast(pa.binary())
    if pt.is_duration(column.type):
        column = column.cast(pa.int64())
    return column.cast(pa.string())
