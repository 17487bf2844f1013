"""`Differences`: how far two models' numbers for the same rows lie apart, as counts that add up over blocks.

Quantiles come from logarithmic bins (as a DDSketch has): each is at most 1 % larger than the difference that has its
rank, and never smaller, so that a limit holds. All else is exact, up to the rounding of floats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

#: By what share of itself a quantile may be too large.
ERROR = 0.01
#: Of the edges of bins.
_RATIO = math.log(1 + ERROR)
#: Of the largest float.
_MOST_EXPONENT = 709.78
#: Added to a bin's exponent, so that it is above 0 for any float; the sign is that of the difference.
_OFFSET = 100_000


@dataclass(frozen=True)
class Differences:
    """Challenger minus champion.

    Attributes:
        rows: that at least one of the two has scored.
        unbounded: of these, rows whose difference is no number: one of the two gave no score, or one that is missing or
            infinite. Two that are missing, or infinite alike, differ by 0.
        bins: of the others: exponent of a bin, with the difference's sign -> rows; 0 holds those without a difference.
        largest: absolute difference of the others; 0 without rows.
        sums: of both finite numbers: count, means of champion and challenger, and the sums of their squared deviations
            and of the product of these.
        absolute: sum of absolute differences of the others.
    """

    rows: int = 0
    unbounded: int = 0
    bins: Mapping[int, int] = field(default_factory=dict)
    largest: float = 0.0
    sums: tuple[float, float, float, float, float, float] = (0, 0, 0, 0, 0, 0)
    absolute: float = 0.0

    @classmethod
    def of(cls, champion: np.ndarray, challenger: np.ndarray, alone: int = 0) -> Differences:
        """Of numbers for the same rows (float64; NaN is missing), and of rows that only one model has scored."""
        import numpy as np

        with np.errstate(invalid="ignore", over="ignore"):
            apart = challenger - champion
        alike = (champion == challenger) | (np.isnan(champion) & np.isnan(challenger))
        apart = np.where(alike, 0.0, apart)
        bounded = np.isfinite(apart)
        apart, both = apart[bounded], np.isfinite(champion) & np.isfinite(challenger)
        sizes = np.abs(apart)
        return cls(
            rows=len(champion) + alone,
            unbounded=int(np.count_nonzero(~bounded)) + alone,
            bins=_binned(apart, sizes),
            largest=float(sizes.max(initial=0.0)),
            sums=_sums(champion[both], challenger[both]),
            absolute=float(sizes.sum()),
        )

    def __add__(self, other: Differences) -> Differences:
        bins = dict(self.bins)
        for place, rows in other.bins.items():
            bins[place] = bins.get(place, 0) + rows
        return Differences(
            rows=self.rows + other.rows,
            unbounded=self.unbounded + other.unbounded,
            bins=bins,
            largest=max(self.largest, other.largest),
            sums=_added(self.sums, other.sums),
            absolute=self.absolute + other.absolute,
        )

    @property
    def mean(self) -> float | None:
        """Of challenger minus champion, where both are finite; None if that is nowhere."""
        count, champion, challenger, *_ = self.sums
        return challenger - champion if count else None

    @property
    def correlation(self) -> float | None:
        """Pearson's; None if one of the two is constant, or too large to square."""
        *_, left, right, product = self.sums
        if not (0 < left < math.inf and 0 < right < math.inf):
            return None
        return max(-1.0, min(1.0, product / math.sqrt(left) / math.sqrt(right)))

    @property
    def mean_size(self) -> float:
        """Mean absolute difference; infinite if a row's is unbounded, NaN without rows."""
        if not self.rows:
            return math.nan
        return math.inf if self.unbounded else self.absolute / self.rows

    @property
    def most(self) -> float:
        """Largest absolute difference, of any row; NaN without rows."""
        if not self.rows:
            return math.nan
        return math.inf if self.unbounded else self.largest

    def quantile(self, share: float) -> float | None:
        """Of challenger minus champion, of rows that both scored; None if there is none."""
        found = _at(share, sorted(self.bins.items()))
        return None if found is None else max(-self.largest, min(found, self.largest))

    def size_quantile(self, share: float) -> float:
        """Of the absolute difference, of all rows: an unbounded one is infinite. NaN without rows."""
        sizes: dict[int, int] = {}
        for place, rows in self.bins.items():
            sizes[abs(place)] = sizes.get(abs(place), 0) + rows
        bins = sorted(sizes.items())
        if share * (self.rows - 1) >= self.rows - self.unbounded:
            return math.inf if self.rows else math.nan
        found = _at(share, bins, self.unbounded)
        return math.nan if found is None else min(found, self.largest)


def _binned(apart: np.ndarray, sizes: np.ndarray) -> dict[int, int]:
    import numpy as np

    some = sizes > 0
    exponents = np.ceil(np.log(sizes[some]) / _RATIO).astype(np.int64) + _OFFSET
    places, counts = np.unique(np.where(apart[some] > 0, exponents, -exponents), return_counts=True)
    bins = dict(zip(places.tolist(), counts.tolist(), strict=True))
    nothing = len(sizes) - int(np.count_nonzero(some))
    return bins | ({0: nothing} if nothing else {})


def _sums(champion: np.ndarray, challenger: np.ndarray) -> tuple[float, float, float, float, float, float]:
    import numpy as np

    if not len(champion):
        return (0, 0, 0, 0, 0, 0)
    with np.errstate(over="ignore", invalid="ignore"):
        left, right = float(champion.mean()), float(challenger.mean())
        one, other = champion - left, challenger - right
        return (len(champion), left, right, float(one @ one), float(other @ other), float(one @ other))


def _added(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, float, float, float, float, float]:
    """Chan's update: the squared deviations of two sets of rows from their common means."""
    if not one[0] or not other[0]:
        return one if one[0] else other  # type: ignore[return-value]
    count = one[0] + other[0]
    left, right = other[1] - one[1], other[2] - one[2]
    share, both = other[0] / count, one[0] * other[0] / count
    return (
        count,
        one[1] + left * share,
        one[2] + right * share,
        one[3] + other[3] + left * left * both,
        one[4] + other[4] + right * right * both,
        one[5] + other[5] + left * right * both,
    )


def _at(share: float, bins: list[tuple[int, int]], behind: int = 0) -> float | None:
    """The difference with that rank; `behind`: rows that come after all bins."""
    total = sum(rows for _, rows in bins)
    if not total:
        return None
    rank = share * (total + behind - 1)
    passed = accumulate(rows for _, rows in bins)
    place = next(place for (place, _), rows in zip(bins, passed, strict=True) if rows > rank)
    if place == 0:
        return 0.0
    exponent = (abs(place) - _OFFSET) * _RATIO
    size = math.exp(exponent) if exponent < _MOST_EXPONENT else math.inf
    return size if place > 0 else -size
