"""Profiles: mergeable counts that say what features and predictions look like.

A profile counts values in bins whose edges were fixed at training, so that profiles of blocks add up to that of
a partition, and that of a partition can be held against the training data's (`drift`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_batchscore.quality.numbers import as_numbers

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: A batch of up to this many rows is looked at whole.
WHOLE_ROWS = 8192
#: Rows of a larger batch that are looked at, evenly spaced: enough for shares, cheap beside predict.
SAMPLE_ROWS = 1024
BINS = 10

#: column -> {"edges": [...]} for numbers, {"values": [...]} for the rest.
Bins = dict[str, dict[str, Any]]
#: column -> counts, one per bin; then "other" and missing values.
Counts = dict[str, list[int]]
#: column -> the counts that were to be expected, which are parts of rows.
Expected = dict[str, list[float]]
_Number = TypeVar("_Number", int, float)


def make_bins(frame: pd.DataFrame) -> Bins:
    """Bins of equal frequency for what lies on a line (numbers, times), the most frequent values of other columns."""
    import numpy as np

    bins: Bins = {}
    for name in frame.columns:
        column = frame[name]
        numbers = column.to_numpy(dtype=float) if column.dtype.kind in "iuf" else _all_numbers(column)
        if numbers is not None:
            finite = numbers[np.isfinite(numbers)]
            inner = np.linspace(0, 1, BINS + 1)[1:-1]
            edges, times = np.unique(np.quantile(finite, inner) if len(finite) else finite, return_counts=True)
            # A value that many rows have (zero, a constant) has a bin of its own, apart from what lies above it.
            edges = np.union1d(edges, np.nextafter(edges[times > 1], np.inf))
            bins[str(name)] = {"edges": edges.tolist()}
        else:
            common = column.dropna().map(str).value_counts().sort_index().nlargest(2 * BINS, keep="all")
            bins[str(name)] = {"values": [str(value) for value in common.index[: 2 * BINS]]}
    return bins


def _all_numbers(column: pd.Series) -> np.ndarray | None:
    """Of a column that pandas does not keep as numbers; None where some value is none, or no value is there."""
    import numpy as np

    numbers = as_numbers(column)
    return numbers if len(numbers) and not np.isnan(numbers).any() else None


@lru_cache(maxsize=64)
def sampled(rows: int) -> tuple[np.ndarray | slice, int]:
    """The rows of a batch that its profile looks at, and for how many each of them counts.

    Of a large batch one row of each stretch of so many is looked at, anywhere in it: rows that repeat a pattern (one
    sensor after the other) are all seen.
    """
    import numpy as np

    if rows <= WHOLE_ROWS:
        return slice(None), 1
    weight = -(-rows // SAMPLE_ROWS)
    stretches = np.arange(0, rows, weight)
    return np.minimum(stretches + np.random.default_rng(0).integers(0, weight, len(stretches)), rows - 1), weight


def count(frame: pd.DataFrame, bins: Bins, weight: int = 1) -> Counts:
    """Counts, a list per column: one number per bin, other values, missing ones. A row counts for `weight`."""
    labels = {str(label): label for label in frame.columns}
    found = {name: _count_column(frame[labels[name]], spec) for name, spec in bins.items() if name in labels}
    return _times(found, weight)


def count_matrix(matrix: np.ndarray, names: Sequence[str], bins: Bins, weight: int = 1) -> Counts:
    """`count` for numbers, without pandas: a column of `matrix` for each name."""
    found = {name: _count_numbers(matrix[:, place], bins[name]["edges"]) for place, name in enumerate(names)}
    return _times(found, weight)


def _times(counts: Counts, weight: int) -> Counts:
    return counts if weight == 1 else {name: [number * weight for number in some] for name, some in counts.items()}


def _count_numbers(values: np.ndarray, edges: Sequence[float]) -> list[int]:
    import numpy as np

    present = values[~np.isnan(values)]
    places = np.searchsorted(np.asarray(edges), present, side="right")
    return [*_bincount(places, len(edges) + 1), 0, len(values) - len(present)]


def _count_column(column: pd.Series, spec: Mapping[str, Any]) -> list[int]:
    if "edges" in spec and column.dtype.kind in "iufb":
        return _count_numbers(column.to_numpy(dtype=float), spec["edges"])
    missing = int(column.isna().sum())
    present = column.dropna()
    if "edges" in spec:
        numbers = as_numbers(column)
        *known, other, unknown = _count_numbers(numbers, spec["edges"])
        return [*known, other + unknown, missing]
    counts = present.map(str).value_counts()
    known = [int(counts.get(value, 0)) for value in spec["values"]]
    return [*known, len(present) - sum(known), missing]


def _bincount(places: np.ndarray, size: int) -> list[int]:
    import numpy as np

    return [int(number) for number in np.bincount(places, minlength=size)]


def by_position(counts: dict[str, list[_Number]]) -> dict[str, list[_Number]]:
    """The same with as many bins for every column, so that profiles of models with different bins can be added up.

    A model's first bin is then added to the other models' first bins, whatever their edges are.
    """
    return {name: _padded(some) for name, some in counts.items()}


def _padded(counts: list[_Number]) -> list[_Number]:
    empty = [counts[0] * 0] * (2 * BINS + 2 - len(counts))
    return counts[:-2] + empty + counts[-2:]


def expected(reference: Counts, found: Counts) -> Expected:
    """What `found` would be, had its rows fallen into the bins as those of the training data did."""
    both = {name: (reference[name], sum(found[name])) for name in reference if name in found}
    return {
        name: [count * rows / sum(counts) for count in counts] for name, (counts, rows) in both.items() if sum(counts)
    }


def merge(left: dict[str, list[_Number]], right: dict[str, list[_Number]]) -> dict[str, list[_Number]]:
    """The sum of two counts made with the same bins."""
    merged = {name: list(counts) for name, counts in left.items()}
    for name, counts in right.items():
        there = merged.get(name, [0] * len(counts))
        merged[name] = [a + b for a, b in zip(there, counts, strict=True)]
    return merged
