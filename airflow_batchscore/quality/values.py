"""The values of a batch's columns, brought into order once for everything that is asked of them.

Numbers are sorted, so that whatever lies between two of them is found by halving; classes are counted by their text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.quality.numbers import as_numbers

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from airflow_batchscore.quality.profile import Bins


@dataclass(frozen=True)
class Numbers:
    """A column of ordered values.

    Attributes:
        ascending: the numbers, infinite ones too.
        missing: rows without a value.
        other: rows whose value is no number.
    """

    ascending: np.ndarray
    missing: int
    other: int = 0

    @property
    def rows(self) -> int:
        """Of all kinds."""
        return len(self.ascending) + self.missing + self.other


@dataclass(frozen=True)
class Classes:
    """A column of names.

    Attributes:
        counts: text -> rows, in the order in which the texts appear.
        missing: rows without a value.
    """

    counts: Mapping[str, int]
    missing: int

    @property
    def rows(self) -> int:
        """Of all kinds."""
        return sum(self.counts.values()) + self.missing


#: By column.
Values = dict[str, Numbers | Classes]


def of_frame(frame: pd.DataFrame, bins: Bins) -> Values:
    """The columns that have bins, as numbers if these have edges."""
    labels = {str(label): label for label in frame.columns}
    return {
        name: _numbers(frame[labels[name]]) if "edges" in spec else classes(frame[labels[name]])
        for name, spec in bins.items()
        if name in labels
    }


def of_matrix(matrix: np.ndarray, names: Sequence[str]) -> Values:
    """The columns of a matrix of numbers: one for each name."""
    import numpy as np

    return {name: _present(column) for name, column in zip(names, np.sort(matrix.T, axis=1), strict=True)}


def of_table(table: pa.Table, rows: np.ndarray | slice, bins: Bins) -> Values:
    """These rows of the columns that have bins."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as pt

    columns = {name: table.column(name) for name in bins}
    numbers = all(pt.is_floating(column.type) or pt.is_integer(column.type) for column in columns.values())
    if numbers and all("edges" in spec for spec in bins.values()):
        return of_matrix(np.column_stack([column.to_numpy()[rows] for column in columns.values()]), list(columns))
    sample = pa.table(columns).take(np.arange(table.num_rows)[rows])
    return of_frame(sample.to_pandas(), bins)


def _present(ascending: np.ndarray) -> Numbers:
    """Without missing ones, which are sorted behind all numbers."""
    count = int(ascending.searchsorted(float("nan")))
    return Numbers(ascending[:count], len(ascending) - count)


def _numbers(column: pd.Series) -> Numbers:
    import numpy as np

    found = _present(np.sort(as_floats(column)))
    if _is_number(column):
        return found
    return Numbers(found.ascending, len(column) - found.rows, other=found.missing)


def as_floats(column: pd.Series) -> np.ndarray:
    """A column of ordered values; NaN for what is no number. Missing values are NaN, or left out."""
    return column.to_numpy(dtype=float) if _is_number(column) else as_numbers(column)


def _is_number(column: pd.Series) -> bool:
    return column.dtype.kind in "iufb"


def classes(column: pd.Series) -> Classes:
    """A column whose values are names, whatever their type."""
    import numpy as np
    import pandas as pd

    is_hashed = column.dtype == bool or isinstance(column.dtype, (pd.StringDtype, pd.CategoricalDtype))
    if not is_hashed and (column.dtype != object or pd.api.types.infer_dtype(column) != "string"):
        # One by one: True and 1 are the same to a hash table, and a list cannot be in one.
        present = column.dropna()
        return Classes(Counter(present.map(str)), len(column) - len(present))
    places, different = pd.factorize(column)
    missing, *rows = np.bincount(places + 1, minlength=len(different) + 1).tolist()
    counts = Counter[str]()
    for text, count in zip(map(str, different), rows, strict=True):  # categories can have one text: 1 and "1"
        counts[text] += count
    return Classes(counts, missing)
