"""Drift: a profile's distance from that of the training data, as the population stability index (PSI).

PSI is the symmetric relative entropy of two binned distributions: ``sum((p - q) * ln(p / q))`` over the bins.
By convention in credit scoring, where it originates, below 0.1 is stable and above 0.25 is a shift to investigate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

#: An empty bin counts as this share to keep the logarithm finite.
_FLOOR = 1e-4


def population_stability_index(reference: Sequence[float], current: Sequence[float]) -> float:
    """PSI of two counts over the same bins; NaN if either is empty, because nothing was compared."""
    total_reference, total_current = sum(reference), sum(current)
    if not total_reference or not total_current:
        return math.nan
    index = 0.0
    for a, b in zip(reference, current, strict=True):
        p, q = max(a / total_reference, _FLOOR), max(b / total_current, _FLOOR)
        index += (q - p) * math.log(q / p)
    return index


def drift(reference: Mapping[str, Sequence[float]], current: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """PSI per column, for the columns that both have."""
    return {name: population_stability_index(reference[name], current[name]) for name in reference if name in current}
