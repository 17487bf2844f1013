"""Thresholds in float32, rounded such that each row takes the same path through the trees as in the library.

oneDAL keeps thresholds in float32 and goes left where ``value <= threshold``. For each threshold t of the library there
must be a float32 f, and for each value x a float32 g(x), with ``g(x) <= f`` exactly where the library goes left.

**The library rounds x to float32 itself** (scikit-learn's forests and `GradientBoosting`, XGBoost): g(x) is what it
compares, the float32 nearest to x. ``g <= t`` is ``g <= f`` for the largest float32 f that is not above t, and
``g < t`` is ``g <= f`` for the largest one below t: no float32 lies between f and t.

**The library compares x as it is** (`HistGradientBoosting`, LightGBM): let r(v) be the float32 nearest to v, and
f = r(t). Rounding keeps order, so r(x) < r(t) means x < t, and r(x) > r(t) means x > t. Only where r(x) = r(t) is x
itself compared: if x > t, g(x) is the float32 after r(x), otherwise r(x). The next float32 is not above any larger
threshold's f, so no other comparison of that value changes. Two thresholds of one feature must not have the same f: a
model with such is not compiled. LightGBM takes the smallest numbers for 0 first, which is done here too.

Infinities and values beyond the range of float32 are left to the library, row by row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.model.compiled.ensembles import Ensemble, NotCompiledError

if TYPE_CHECKING:
    import numpy as np

#: Rows that are rounded together, so that they stay in the cache.
_TILE = 16_384
#: A feature's thresholds are looked up by a hash of so many bits, which leaves few values to be compared exactly.
_BITS = 13
_FACTOR = 0x9E3779B1


def splits_of(ensemble: Ensemble, threshold: np.ndarray) -> np.ndarray:
    """The f of each threshold, as float32."""
    import numpy as np

    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    if not ensemble.rounds:
        return nearest
    below = np.nextafter(nearest, np.float32(-np.inf))
    too_high = nearest >= threshold if ensemble.less else nearest > threshold
    return np.where(too_high, below, nearest)


def thresholds_of(ensemble: Ensemble) -> list[np.ndarray]:
    """Each feature's thresholds, ascending, where values must be compared with them; empty where the library rounds.

    Raises NotCompiledError if float32 does not tell two thresholds apart.
    """
    import numpy as np

    if ensemble.rounds:
        return [np.array([])] * ensemble.features
    if ensemble.less:
        raise NotCompiledError("it looks for values below a threshold without rounding them")
    feature = np.concatenate([tree.feature for tree in ensemble.trees])
    threshold = np.concatenate([tree.threshold for tree in ensemble.trees])
    made = []
    for place in range(ensemble.features):
        values = np.unique(threshold[feature == place])
        rounded = splits_of(ensemble, values)
        if (np.diff(rounded) == 0).any():
            raise NotCompiledError(
                f"the thresholds of feature {place} lie closer to each other than float32 can tell apart"
            )
        made.append(values)
    return made


class Rounding:
    """g: rows as oneDAL compares them.

    Args:
        thresholds: see `thresholds_of`.
        single: whether rows are float32; otherwise they are the same numbers in float64.
        zero: see `Ensemble`.
    """

    def __init__(self, thresholds: list[np.ndarray], *, single: bool, zero: float = 0.0) -> None:
        import numpy as np

        self._dtype = np.dtype(np.float32 if single else np.float64)
        self._features = [_Feature(values, zero) if len(values) else None for values in thresholds]
        self._exact = any(feature is not None for feature in self._features)

    def rows(self, matrix: np.ndarray) -> np.ndarray:
        """A matrix of numbers, rounded: row after row in memory, and infinite where float32 cannot hold a value."""
        import numpy as np

        with np.errstate(over="ignore"):
            if not self._exact:
                rounded = np.ascontiguousarray(matrix, dtype=np.float32)
                return rounded.astype(self._dtype, copy=False)
            rows = np.empty(matrix.shape, self._dtype)
            for start in range(0, len(rows), _TILE):
                tile = slice(start, start + _TILE)
                for place, feature in enumerate(self._features):
                    column = np.ascontiguousarray(matrix[tile, place], dtype=np.float64)
                    rows[tile, place] = column.astype(np.float32) if feature is None else feature.rounded(column)
        return rows


class _Feature:
    """The thresholds of one feature, and where they lie in float32."""

    def __init__(self, thresholds: np.ndarray, zero: float) -> None:
        import numpy as np

        self._thresholds = thresholds
        self._zero = zero if (np.abs(thresholds) <= zero).any() else 0.0  # larger ones do not tell such numbers apart
        with np.errstate(over="ignore"):
            self._splits = thresholds.astype(np.float32) + np.float32(0)  # -0.0 becomes 0.0
        self._known = np.zeros(1 << _BITS, dtype=bool)
        self._known[_hashed(self._splits)] = True
        if (self._splits == 0).any():
            self._known[_hashed(np.array([-0.0], dtype=np.float32))] = True

    def rounded(self, column: np.ndarray) -> np.ndarray:
        """The nearest float32, or the next one where that falls on a threshold's although the value lies above it."""
        import numpy as np

        if self._zero:
            column = np.where(np.abs(column) <= self._zero, 0.0, column)
        nearest = column.astype(np.float32)
        places = np.flatnonzero(self._known.take(_hashed(nearest), mode="clip"))
        if not len(places):
            return nearest
        values = nearest[places]
        at = np.minimum(np.searchsorted(self._splits, values), len(self._splits) - 1)
        above = (self._splits[at] == values) & (column[places] > self._thresholds[at])
        nearest[places[above]] = np.nextafter(values[above], np.float32(np.inf))
        return nearest


def _hashed(values: np.ndarray) -> np.ndarray:
    import numpy as np

    hashed: np.ndarray = values.view(np.uint32) * np.uint32(_FACTOR)
    hashed >>= np.uint32(32 - _BITS)
    return hashed
