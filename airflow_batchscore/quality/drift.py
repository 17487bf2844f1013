"""Drift: a profile's distance from that of the training data.

PSI, the population stability index, is the symmetric relative entropy of two binned distributions:
``sum((p - q) * ln(p / q))`` over the bins. By convention in credit scoring, where it originates, below 0.1 is stable
and above 0.25 is a shift to investigate. The Jensen-Shannon distance lies between 0 (the same) and 1 (nothing in
common), however large a shift is. The chi-square test asks whether chance alone could make such a difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

#: An empty bin counts as this share to keep the logarithm finite.
_FLOOR = 1e-4
#: The chi-square distribution describes bins of so many expected rows; rarer ones are pooled, and then suffice with one
#: (Cochran's rule).
_EXPECTED, _LEAST = 5, 1


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


def jensen_shannon(reference: Sequence[float], current: Sequence[float]) -> float:
    """Jensen-Shannon distance (base 2) of two counts over the same bins; NaN if either is empty."""
    from scipy.spatial.distance import jensenshannon

    if not sum(reference) or not sum(current):
        return math.nan
    return float(jensenshannon(reference, current, base=2))


def chi_square_p(reference: Sequence[float], current: Sequence[float], sample: int) -> float:
    """Probability of at least such a difference if both counts came from one distribution: chi-square of homogeneity.

    Args:
        reference: counts of training rows.
        current: the same of scored rows; counts of a sample may be scaled up to all rows.
        sample: how many rows were really looked at: scaled up, they would prove what they cannot know.

    Returns:
        NaN if nothing was compared, or if there are too few rows to say.
    """
    import numpy as np
    from scipy.special import chdtrc  # what `scipy.stats` calls, which takes a second to import

    table = np.array([reference, current], dtype=float)
    totals = table.sum(axis=1)
    if not totals.all() or not sample:
        return math.nan
    table[1] *= sample / totals[1]
    table = _pooled(table)
    if table.shape[1] < 2:
        return math.nan
    wanted = _wanted(table)
    return float(chdtrc(table.shape[1] - 1, ((table - wanted) ** 2 / wanted).sum()))


def _wanted(table: np.ndarray) -> np.ndarray:
    import numpy as np

    wanted: np.ndarray = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return wanted


def _pooled(table: np.ndarray) -> np.ndarray:
    """The table without empty bins, and with its rare ones as one; that one joins another if it is still too rare."""
    import numpy as np

    table = table[:, table.sum(axis=0) > 0]
    table = table[:, np.argsort(table.sum(axis=0))]
    rare = int((_wanted(table).min(axis=0) < _EXPECTED).sum())
    if rare and _wanted(table).min(axis=0)[:rare].sum() < _LEAST:
        rare += 1
    return np.c_[table[:, :rare].sum(axis=1), table[:, rare:]] if rare > 1 else table
