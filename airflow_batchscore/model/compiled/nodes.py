"""An ensemble's nodes as oneDAL takes them: in float32, parents before their children."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.model.compiled.ensembles import Ensemble, Tree
from airflow_batchscore.model.compiled.splits import splits_of

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Nodes:
    """The nodes of all trees, one tree after the other, an array per attribute.

    Attributes:
        sizes, outputs: per tree, its number of nodes and the output that it adds to.
        feature: that a node compares; -1 for a leaf.
        number: a node's split, or a leaf's value; float32.
        parent: its number within the tree; -1 for the root.
        side: 1 for a right child.
        missing: 1 if NaN goes left.
    """

    sizes: np.ndarray
    outputs: np.ndarray
    feature: np.ndarray
    number: np.ndarray
    parent: np.ndarray
    side: np.ndarray
    missing: np.ndarray

    def trees_of(self, output: int) -> list[slice]:
        """Where the nodes of an output's trees lie."""
        import numpy as np

        ends = np.cumsum(self.sizes)
        return [
            slice(int(end - size), int(end))
            for end, size, of in zip(ends, self.sizes, self.outputs, strict=True)
            if of == output
        ]


def nodes_of(ensemble: Ensemble) -> Nodes:
    """The nodes of an ensemble.

    Where its library adds up in float32, the first tree of each output is a leaf that holds what the sum starts with,
    so that the sums are made in the same order.
    """
    import numpy as np

    first = [_leaf(base, output) for output, base in enumerate(ensemble.base)] if ensemble.single else []
    trees = [*first, *ensemble.trees]
    columns = [_columns(ensemble, tree) for tree in trees]
    dtypes = (np.int32, np.float32, np.int32, np.uint8, np.uint8)
    return Nodes(
        np.array([len(tree.feature) for tree in trees], np.int32),
        np.array([tree.output for tree in trees], np.int32),
        *(np.concatenate(each).astype(dtype) for each, dtype in zip(zip(*columns, strict=True), dtypes, strict=True)),
    )


def _leaf(value: float, output: int) -> Tree:
    import numpy as np

    none = np.array([-1])
    return Tree(
        feature=none,
        threshold=np.zeros(1),
        left=none,
        right=none,
        missing_left=np.zeros(1, dtype=bool),
        value=np.array([value]),
        output=output,
    )


def _columns(ensemble: Ensemble, tree: Tree) -> tuple[np.ndarray, ...]:
    """feature, number, parent, side and missing of a tree's nodes, level by level."""
    import numpy as np

    parent, side = np.full(len(tree.feature), -1), np.zeros(len(tree.feature), dtype=int)
    inner = np.flatnonzero(tree.feature >= 0)
    parent[tree.left[inner]] = parent[tree.right[inner]] = inner
    side[tree.right[inner]] = 1
    levels = [np.array([0])]
    while len(levels[-1]):
        above = levels[-1][tree.feature[levels[-1]] >= 0]
        levels.append(np.column_stack([tree.left[above], tree.right[above]]).ravel())
    order = np.concatenate(levels).astype(int)
    place = np.full(len(tree.feature), -1)
    place[order] = np.arange(len(order))
    number = np.where(tree.feature >= 0, splits_of(ensemble, tree.threshold), tree.value)
    above = parent[order]
    return (
        tree.feature[order],
        number[order],
        np.where(above >= 0, place[above], -1),
        side[order],
        tree.missing_left[order],
    )
