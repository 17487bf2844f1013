"""Rows at which a compiled model is most likely to go wrong: each reaches a node, with a value at its threshold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_batchscore.model.compiled.splits import splits_of

if TYPE_CHECKING:
    import numpy as np

    from airflow_batchscore.model.compiled.ensembles import Ensemble

#: Nodes whose thresholds are tried, spread over all trees.
_MOST_NODES = 10_000
_FEW_NODES = 200


def at_thresholds(ensemble: Ensemble, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Float64 rows that reach a node and there hold its threshold, the next number below and above it in float64 and in
    float32, a number halfway between two of float32, or one a last digit beside that.

    One kind at a time, in the same array: it changes when the next kind is taken.

    Args:
        rows: of the training sample; each is changed in the features that lie on the way to a node.
    """
    import numpy as np

    nodes = _Nodes(ensemble, _MOST_NODES)
    made = nodes.reached_from(rows)
    threshold, split = nodes.threshold, nodes.split.astype(np.float64)
    before, after = _next32(split, -1), _next32(split, 1)
    middles = [threshold, (before + split) / 2, (split + after) / 2]
    beside = [np.nextafter(value, side) for value in middles for side in (-np.inf, np.inf)]
    for value in (*middles, *beside, before, split, after):
        made[np.arange(len(made)), nodes.feature] = value
        yield made


def without_values(ensemble: Ensemble, rows: np.ndarray) -> np.ndarray:
    """Rows that reach a node and lack the value that it compares."""
    import numpy as np

    nodes = _Nodes(ensemble, _MOST_NODES)
    made = nodes.reached_from(rows)
    made[np.arange(len(made)), nodes.feature] = np.nan
    return made


def extremes(ensemble: Ensemble, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Rows with zeros, numbers at the ends of float32's range, numbers beyond it and infinities.

    One kind at a time, in the same array: it changes when the next kind is taken.
    """
    import numpy as np

    nodes = _Nodes(ensemble, _FEW_NODES)
    made = nodes.reached_from(rows)
    largest, smallest = float(np.finfo(np.float32).max), float(np.finfo(np.float32).smallest_subnormal)
    small = (0.0, -0.0, smallest, -smallest, smallest / 3, -smallest / 3, 1e-35)
    large = (2.0**53 + 2, largest, -largest, largest * 1.01, -largest * 1.01, 1e300, np.inf, -np.inf)
    for value in (*small, *large):
        made[np.arange(len(made)), nodes.feature] = value
        yield made


class _Nodes:
    """Nodes that compare, evenly spaced over all trees, and the way to each.

    Attributes:
        feature, threshold, split: of each node; `split` as oneDAL has it.
    """

    def __init__(self, ensemble: Ensemble, most: int) -> None:
        import numpy as np

        sizes = [len(tree.feature) for tree in ensemble.trees]
        starts = np.cumsum([0, *sizes[:-1]])
        self._feature, self._threshold = (
            np.concatenate([getattr(tree, name) for tree in ensemble.trees]) for name in ("feature", "threshold")
        )
        self._parent = np.full(sum(sizes), -1)
        self._is_left = np.zeros(sum(sizes), dtype=bool)
        for start, tree in zip(starts, ensemble.trees, strict=True):
            inner = np.flatnonzero(tree.feature >= 0)
            self._parent[start + tree.left[inner]] = self._parent[start + tree.right[inner]] = start + inner
            self._is_left[start + tree.left[inner]] = True
        inner = np.flatnonzero(self._feature >= 0)
        self._nodes = inner[np.unique(np.linspace(0, len(inner) - 1, min(most, len(inner))).astype(int))]
        self._split = splits_of(ensemble, self._threshold)
        self._rounds = ensemble.rounds
        self.feature, self.threshold = self._feature[self._nodes], self._threshold[self._nodes]
        self.split = self._split[self._nodes]

    def reached_from(self, rows: np.ndarray) -> np.ndarray:
        """A row for each node: one of `rows`, changed as little as the comparisons on the way to the node demand."""
        import numpy as np

        made = rows[np.arange(len(self._nodes)) % len(rows)].astype(np.float64)
        way = [self._nodes]
        while (way[-1] >= 0).any():
            way.append(np.where(way[-1] >= 0, self._parent[way[-1]], -1))
        for node, child in zip(way[::-1], way[-2::-1], strict=False):
            on_way = np.flatnonzero((node >= 0) & (child >= 0))
            at, feature = node[on_way], self._feature[node[on_way]]
            left = self._is_left[child[on_way]]
            value = made[on_way, feature]
            highest = self._split[at].astype(np.float64) if self._rounds else self._threshold[at]
            lowest = _next32(highest, 1) if self._rounds else np.nextafter(highest, np.inf)
            made[on_way, feature] = np.where(left, np.fmin(value, highest), np.fmax(value, lowest))
        return made


def _next32(values: np.ndarray, step: int) -> np.ndarray:
    """The float32 after or before each value, which is one."""
    import numpy as np

    with np.errstate(over="ignore"):
        made: np.ndarray = np.nextafter(values.astype(np.float32), np.float32(step * np.inf)).astype(np.float64)
    return made
