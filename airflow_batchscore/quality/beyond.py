"""What scored rows hold that the training rows did not: classes never seen, and numbers outside their range.

`Ranges` are kept with the model, `Beyond` with each block; those of blocks add up to that of a partition, or of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypedDict

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.quality.values import Classes, Numbers, Values, as_floats, classes

if TYPE_CHECKING:
    import pandas as pd

    from airflow_batchscore.quality.profile import Bins

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
            numbers = as_floats(column)
            finite = numbers[np.isfinite(numbers)]
            if len(finite):
                ranges[name] = {"low": float(finite.min()), "high": float(finite.max())}
        else:
            known = sorted(classes(column).counts)
            if 0 < len(known) <= MOST_CLASSES:
                ranges[name] = {"known": known}
    return ranges


def look(values: Values, ranges: Ranges, rows: int, weight: int = 1) -> Beyond:
    """What a batch's values hold beyond the ranges. Each of its `rows` counts `weight` times.

    The limits are rounded as the values were: the largest number of training is no larger in float32 than itself.
    """
    features = {name: _found(values[name], known, weight) for name, known in ranges.items() if name in values}
    return Beyond(rows * weight, rows * weight**2, features)


def _found(column: Numbers | Classes, known: Range, weight: int) -> Found:
    found: Found = {"rows": column.rows * weight}
    if isinstance(column, Classes):
        seen = set(known["known"])
        new = {text: rows for text, rows in column.counts.items() if text not in seen}
        found["unseen"] = sum(new.values()) * weight
        if new:
            found["such_as"] = [text[:_LETTERS] for text in islice(new, _EXAMPLES)]
        return found
    ascending = column.ascending
    low, high = ascending.dtype.type(known["low"]), ascending.dtype.type(known["high"])
    below = int(ascending.searchsorted(low))
    above = len(ascending) - int(ascending.searchsorted(high, side="right"))
    found |= {"below": below * weight, "above": above * weight}
    if below or above:
        import numpy as np

        finite = ascending[np.isfinite(ascending)]  # JSON has no others
        if below and len(finite):
            found["lowest"] = float(finite[0])
        if above and len(finite):
            found["highest"] = float(finite[-1])
    return found
