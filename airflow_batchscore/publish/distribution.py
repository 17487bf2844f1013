"""The values of a column as shares, for people: in the training data, in what a run scored, and in each partition."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from airflow_batchscore.quality.drift import population_stability_index
from airflow_batchscore.quality.profile import ColumnBins


@dataclass(frozen=True)
class Distribution:
    """The values of a column.

    Attributes:
        labels: of the bins, or classes, that have a value anywhere.
        training, scored: share of each in the training data, and in all partitions together.
        each: the same in each partition; zeros where nothing was counted.
        drift: PSI between `training` and `scored`; NaN if one of them has no values.
    """

    labels: Sequence[str]
    training: Sequence[float]
    scored: Sequence[float]
    each: Sequence[Sequence[float]]
    drift: float


def distribution(bins: ColumnBins, training: Sequence[int], each: Sequence[Sequence[int]]) -> Distribution:
    """The distribution of a column.

    Args:
        training: counts in these bins.
        each: the same of each partition; what has another number of bins is left out.
    """
    nothing = [0] * len(training)
    each = [counts if len(counts) == len(training) else nothing for counts in each]
    total = [sum(of_bin) for of_bin in zip(*each, strict=True)] or nothing
    used = [place for place in range(len(training)) if training[place] or total[place]]

    def shares(counts: Sequence[int]) -> list[float]:
        rows = sum(counts)
        return [counts[place] / rows if rows else 0.0 for place in used]

    labels = _labels(bins)
    return Distribution(
        labels=[labels[place] for place in used],
        training=shares(training),
        scored=shares(total),
        each=[shares(counts) for counts in each],
        drift=population_stability_index(training, total),
    )


def _labels(bins: ColumnBins) -> list[str]:
    known = list(bins["values"]) if "values" in bins else _ranges(bins["edges"])
    return [*known, "other", "missing"]


def _ranges(edges: Sequence[float]) -> list[str]:
    if not edges:
        return ["all"]
    # A frequent value has a bin of its own, which ends at the next float.
    between = [
        _number(low) if high == math.nextafter(low, math.inf) else f"{_number(low)} to {_number(high)}"
        for low, high in pairwise(edges)
    ]
    return [f"below {_number(edges[0])}", *between, f"{_number(edges[-1])} and up"]


def _number(edge: float) -> str:
    """With four digits; the float next to zero is zero for people."""
    return f"{edge:.4g}" if abs(edge) >= sys.float_info.min else "0"
