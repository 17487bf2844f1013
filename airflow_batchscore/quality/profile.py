"""Profiles: mergeable counts that describe features and predictions.

A profile counts values in bins whose edges were fixed at training, so that profiles of blocks add up to that of a
partition, which can be compared with the training data's profile (`drift`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypedDict, TypeVar

from airflow_batchscore.data.json_types import JsonMapping
from airflow_batchscore.quality.beyond import Ranges
from airflow_batchscore.quality.numbers import as_numbers
from airflow_batchscore.quality.values import Classes, Numbers, Values, of_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: Batches of up to this many rows are counted in full.
WHOLE_ROWS = 8192
#: Rows counted in a larger batch, evenly spaced: enough for shares, cheap compared with predict.
SAMPLE_ROWS = 1024
BINS = 10


class ColumnBins(TypedDict, total=False):
    """How the values of a column are counted: by `edges` for numbers, by `values` for the rest."""

    edges: list[float]
    values: list[str]


#: By column.
Bins = dict[str, ColumnBins]
#: column -> counts, one per bin, then "other" and missing values.
Counts = dict[str, list[int]]
#: column -> expected counts, which may be fractions of rows.
Expected = dict[str, list[float]]
_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class Profile:
    """Counts of columns, and the bins that they were counted in."""

    bins: Bins
    counts: Counts


@dataclass(frozen=True)
class ReferenceProfile:
    """The profile of a model's training data.

    Attributes:
        features: of the model's input.
        outputs: method -> its results for that input.
        ranges: feature -> what training saw of it; empty in a model that an earlier version of this package made.
    """

    features: Profile
    outputs: dict[str, Profile]
    ranges: Ranges = field(default_factory=dict)

    def written(self, outputs: Mapping[str, Sequence[str]]) -> Profile:
        """The profile of output columns that a run writes, without those that have none.

        Args:
            outputs: output column -> method, and the column's name among that method's results.
        """
        sources = {
            name: (self.outputs[method], column)
            for name, (method, column) in outputs.items()
            if method in self.outputs and column in self.outputs[method].bins
        }
        return Profile(
            {name: source.bins[column] for name, (source, column) in sources.items()},
            {name: source.counts[column] for name, (source, column) in sources.items()},
        )

    @classmethod
    def from_dict(cls, value: JsonMapping) -> ReferenceProfile:
        """The inverse of `dataclasses.asdict`."""
        outputs = {method: Profile(**columns) for method, columns in value["outputs"].items()}
        return cls(Profile(**value["features"]), outputs, value.get("ranges", {}))


def make_bins(frame: pd.DataFrame) -> Bins:
    """Equal-frequency bins for ordered values (numbers, times), the most frequent values for other columns."""
    import numpy as np

    bins: Bins = {}
    for name in frame.columns:
        column = frame[name]
        numbers = column.to_numpy(dtype=float) if column.dtype.kind in "iuf" else _all_numbers(column)
        if numbers is not None:
            finite = numbers[np.isfinite(numbers)]
            inner = np.linspace(0, 1, BINS + 1)[1:-1]
            edges, times = np.unique(np.quantile(finite, inner) if len(finite) else finite, return_counts=True)
            # A frequent value (zero, a constant) gets its own bin, separate from larger values.
            edges = np.union1d(edges, np.nextafter(edges[times > 1], np.inf))
            bins[str(name)] = {"edges": edges.tolist()}
        else:
            common = column.dropna().map(str).value_counts().sort_index().nlargest(2 * BINS, keep="all")
            bins[str(name)] = {"values": [str(value) for value in common.index[: 2 * BINS]]}
    return bins


def _all_numbers(column: pd.Series) -> np.ndarray | None:
    """A column that pandas does not store as numbers, as floats; None if some value is not one or all are missing."""
    import numpy as np

    numbers = as_numbers(column)
    return numbers if len(numbers) and not np.isnan(numbers).any() else None


@lru_cache(maxsize=64)
def sampled(rows: int) -> tuple[np.ndarray | slice, int]:
    """The rows of a batch that its profile counts, and the weight of each.

    In a large batch, one random row is taken from each of many equally long stretches, so that repeating patterns (one
    sensor after the other) are all seen.
    """
    import numpy as np

    if rows <= WHOLE_ROWS:
        return slice(None), 1
    weight = -(-rows // SAMPLE_ROWS)
    stretches = np.arange(0, rows, weight)
    return np.minimum(stretches + np.random.default_rng(0).integers(0, weight, len(stretches)), rows - 1), weight


def count(frame: pd.DataFrame, bins: Bins) -> Counts:
    """Counts of all rows, one list per column: each bin, other values, missing ones."""
    return counted(of_frame(frame, bins), bins)


def counted(values: Values, bins: Bins, weight: int = 1) -> Counts:
    """`count` of a batch's values. A row counts `weight` times."""
    return {name: [n * weight for n in _counted(column, bins[name])] for name, column in values.items()}


def _counted(column: Numbers | Classes, spec: ColumnBins) -> list[int]:
    if isinstance(column, Classes):
        known = [column.counts.get(value, 0) for value in spec["values"]]
        return [*known, sum(column.counts.values()) - sum(known), column.missing]
    below = [0, *column.ascending.searchsorted(spec["edges"]).tolist(), len(column.ascending)]
    return [*(after - before for before, after in pairwise(below)), column.other, column.missing]


def by_position(counts: dict[str, list[_Number]]) -> dict[str, list[_Number]]:
    """The same counts with equally many bins per column, so that profiles of models with different bins can be added.

    A model's first bin is then added to the other models' first bins, whatever their edges.
    """
    return {name: _padded(numbers) for name, numbers in counts.items()}


def _padded(counts: list[_Number]) -> list[_Number]:
    empty = [counts[0] * 0] * (2 * BINS + 2 - len(counts))
    return counts[:-2] + empty + counts[-2:]


def expected(reference: Counts, current: Counts) -> Expected:
    """What `current` would be if its rows were distributed over the bins like the training data."""
    both = {name: (reference[name], sum(current[name])) for name in reference if name in current}
    return {
        name: [count * rows / sum(counts) for count in counts] for name, (counts, rows) in both.items() if sum(counts)
    }


def merge(left: dict[str, list[_Number]], right: dict[str, list[_Number]]) -> dict[str, list[_Number]]:
    """The sum of two counts made with the same bins."""
    merged = {name: list(counts) for name, counts in left.items()}
    for name, counts in right.items():
        before = merged.get(name, [0] * len(counts))
        merged[name] = [a + b for a, b in zip(before, counts, strict=True)]
    return merged
