"""What scored rows hold that the training rows did not: classes never seen, and numbers outside their range.

`Ranges` are kept with the model, `Beyond` with each block; those of blocks add up to that of a partition, or of a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.quality.numbers import as_numbers

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from airflow_batchscore.quality.profile import Bins, Counts

#: Of a feature with more classes than this (names, ids), nobody can say which are new.
MOST_CLASSES = 500
#: Unseen classes that are kept as examples, and letters of each.
_EXAMPLES, _LETTERS = 3, 40


class Range(TypedDict, total=False):
    """What training saw of a feature: the range `low` to `high` of numbers, or all `known` classes as text."""

    low: float
    high: float
    known: list[str]


#: By feature; without those of which too much, or nothing, was seen.
Ranges = dict[str, Range]


class Found(TypedDict, total=False):
    """Of a feature: `rows` looked at, and how many were `below` and `above` the range, or of an `unseen` class.

    `lowest` and `highest` are the extremes of what was outside, `such_as` some of the unseen classes.
    """

    rows: int
    below: int
    above: int
    lowest: float
    highest: float
    unseen: int
    such_as: list[str]


@dataclass(frozen=True)
class Beyond:
    """What rows hold that the training rows did not.

    Attributes:
        rows: scored, as the sample stands for them: each row that was looked at counts with its weight.
        squares: the sum of the squared weights; equals `rows` if every row was looked at.
        features: feature -> what was found; without those that have no range.
    """

    rows: int = 0
    squares: int = 0
    features: Mapping[str, Found] = field(default_factory=dict)

    @property
    def sample(self) -> int:
        """Rows of a simple sample that would say as much (Kish); all rows if every one was looked at."""
        return round(self.rows**2 / self.squares) if self.squares else 0

    def margin(self, share: float) -> float:
        """Half the width of the 95 % interval of a share of the rows; 0 if every row was looked at."""
        sample = self.sample
        if not sample or sample >= self.rows:
            return 0.0
        return float(1.96 * (share * (1 - share) / sample * (1 - sample / self.rows)) ** 0.5)

    def __add__(self, other: Beyond) -> Beyond:
        features = dict(self.features)
        for name, found in other.features.items():
            features[name] = _added(features[name], found) if name in features else found
        return Beyond(self.rows + other.rows, self.squares + other.squares, features)

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return {"rows": self.rows, "squares": self.squares, "features": dict(self.features)}

    @classmethod
    def from_dict(cls, value: JsonMapping) -> Beyond:
        """The inverse of `to_dict`."""
        return cls(value["rows"], value["squares"], {**value["features"]})


def _added(one: Found, other: Found) -> Found:
    added: Found = {"rows": one["rows"] + other["rows"]}
    if "unseen" in one or "unseen" in other:
        added["unseen"] = one.get("unseen", 0) + other.get("unseen", 0)
    if "below" in one or "below" in other:
        added["below"] = one.get("below", 0) + other.get("below", 0)
        added["above"] = one.get("above", 0) + other.get("above", 0)
    if lows := [each["lowest"] for each in (one, other) if "lowest" in each]:
        added["lowest"] = min(lows)
    if highs := [each["highest"] for each in (one, other) if "highest" in each]:
        added["highest"] = max(highs)
    if examples := list(dict.fromkeys([*one.get("such_as", []), *other.get("such_as", [])])):
        added["such_as"] = examples[:_EXAMPLES]
    return added


def make_ranges(frame: pd.DataFrame, bins: Bins) -> Ranges:
    """What the training rows held of each feature; numbers and classes are told apart as `bins` do it."""
    import numpy as np

    ranges: Ranges = {}
    labels = {str(label): label for label in frame.columns}
    for name, spec in bins.items():
        column = frame[labels[name]]
        if "edges" in spec:
            numbers = _numbers(column)
            finite = numbers[np.isfinite(numbers)]
            if len(finite):
                ranges[name] = {"low": float(finite.min()), "high": float(finite.max())}
        else:
            known = sorted(_classes(column))
            if 0 < len(known) <= MOST_CLASSES:
                ranges[name] = {"known": known}
    return ranges


def _classes(column: pd.Series) -> set[str]:
    present = column.dropna()
    try:
        return set(map(str, present.unique()))
    except TypeError:  # lists cannot be told apart by their hash
        return set(map(str, present))


def _numbers(column: pd.Series) -> np.ndarray:
    return column.to_numpy(dtype=float) if column.dtype.kind in "iufb" else as_numbers(column)


def look(frame: pd.DataFrame, ranges: Ranges, counts: Counts, weight: int = 1) -> Beyond:
    """What the rows hold beyond the ranges. A row counts `weight` times.

    Args:
        counts: of the same rows without weight or with it, by `profile.count`: only a column with other values than
            those that have a bin of their own can hold unseen classes.
    """
    labels = {str(label): label for label in frame.columns}
    rows = len(frame)
    features: dict[str, Found] = {}
    for name, known in ranges.items():
        if name not in labels:
            continue
        column = frame[labels[name]]
        if "known" in known:
            features[name] = _unseen(column, known["known"], weight, is_possible=name not in counts or counts[name][-2])
        else:
            features[name] = _outside(_numbers(column), known["low"], known["high"], rows, weight)
    return Beyond(rows * weight, rows * weight**2, features)


def _unseen(column: pd.Series, known: Sequence[str], weight: int, *, is_possible: object) -> Found:
    found: Found = {"rows": len(column) * weight, "unseen": 0}
    if is_possible:
        texts = column.dropna().map(str)
        new = texts[~texts.isin(known)]
        if len(new):
            examples = [text[:_LETTERS] for text in new.unique()[:_EXAMPLES]]
            found |= {"unseen": len(new) * weight, "such_as": examples}
    return found


def _outside(values: np.ndarray, low: float, high: float, rows: int, weight: int) -> Found:
    import numpy as np

    below, above = values < low, values > high
    found: Found = {
        "rows": rows * weight,
        "below": int(np.count_nonzero(below)) * weight,
        "above": int(np.count_nonzero(above)) * weight,
    }
    _add_extremes(found, values)
    return found


def _add_extremes(found: Found, values: np.ndarray) -> None:
    """The lowest and the highest of all values, if they lie outside; JSON has no infinite ones."""
    import numpy as np

    finite = values[np.isfinite(values)] if found["below"] or found["above"] else values[:0]
    if found["below"] and len(finite):
        found["lowest"] = float(finite.min())
    if found["above"] and len(finite):
        found["highest"] = float(finite.max())


def look_matrix(matrix: np.ndarray, names: Sequence[str], ranges: Ranges, weight: int = 1) -> Beyond:
    """`look` for numbers, without pandas: one column of `matrix` for each name.

    The limits are rounded as the matrix was: the largest number of training is no larger in float32 than itself.
    """
    import numpy as np

    rows = len(matrix)
    places = [place for place, name in enumerate(names) if name in ranges and "low" in ranges[name]]
    features: dict[str, Found] = {}
    if places:
        looked = matrix[:, places]
        lows = np.array([ranges[names[place]]["low"] for place in places], dtype=matrix.dtype)
        highs = np.array([ranges[names[place]]["high"] for place in places], dtype=matrix.dtype)
        below, above = (looked < lows).sum(axis=0).tolist(), (looked > highs).sum(axis=0).tolist()
        for at, place in enumerate(places):
            found: Found = {"rows": rows * weight, "below": below[at] * weight, "above": above[at] * weight}
            _add_extremes(found, looked[:, at])
            features[names[place]] = found
    return Beyond(rows * weight, rows * weight**2, features)
