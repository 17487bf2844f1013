"""Drift: how far a profile lies from the training data's, as the population stability index (PSI).

PSI is the symmetric relative entropy of two binned distributions: ``sum((p - q) * ln(p / q))`` over the bins.
By the custom of credit scoring, where it comes from, below 0.1 is stable and above 0.25 a shift to look into.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

#: An empty bin counts as this share, so that the logarithm stays finite.
_FLOOR = 1e-4


def population_stability_index(reference: Sequence[float], found: Sequence[float]) -> float:
    """PSI of two counts over the same bins; NaN when either is empty, because nothing was compared."""
    total_reference, total_found = sum(reference), sum(found)
    if not total_reference or not total_found:
        return math.nan
    index = 0.0
    for a, b in zip(reference, found, strict=True):
        p, q = max(a / total_reference, _FLOOR), max(b / total_found, _FLOOR)
        index += (q - p) * math.log(q / p)
    return index


def drift(reference: Mapping[str, Sequence[float]], found: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """PSI per column, of the columns that both have."""
    return {name: population_stability_index(reference[name], found[name]) for name in reference if name in found}
