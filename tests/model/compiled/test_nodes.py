"""The nodes that oneDAL gets: each parent before its children, and the sums begin as the library's do."""

from __future__ import annotations

import numpy as np
import pytest
from compiled_models import MODELS, fitted

from airflow_batchscore.model.compiled.ensembles import read_ensemble
from airflow_batchscore.model.compiled.nodes import nodes_of
from airflow_batchscore.model.compiled.splits import splits_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", MODELS)
def test_the_same_trees_level_by_level(name: str) -> None:
    ensemble = read_ensemble(fitted(name)[0])
    nodes = nodes_of(ensemble)
    first = len(ensemble.base) if ensemble.single else 0
    slices = nodes.trees_of(0)
    assert len(slices) == len(ensemble.trees) + first
    for place, tree in zip(slices[first:], ensemble.trees, strict=True):
        feature, number, parent, side, missing = (
            getattr(nodes, name)[place] for name in ("feature", "number", "parent", "side", "missing")
        )
        old = [0]  # the node of `tree` that each one is
        for at in range(1, len(feature)):
            assert parent[at] < at
            assert feature[parent[at]] >= 0
            old.append(int((tree.right if side[at] else tree.left)[old[parent[at]]]))
        assert parent[0] == -1
        np.testing.assert_array_equal(feature, tree.feature[old])
        inner = feature >= 0
        np.testing.assert_array_equal(number[inner], splits_of(ensemble, tree.threshold[old])[inner])
        np.testing.assert_array_equal(number[~inner], tree.value[old][~inner].astype(np.float32))
        np.testing.assert_array_equal(missing[inner], tree.missing_left[old][inner])


def test_sums_in_float32_start_with_a_leaf() -> None:
    ensemble = read_ensemble(fitted("xgboost", classes=3)[0])
    nodes = nodes_of(ensemble)
    assert len(ensemble.base) == 3
    for output, base in enumerate(ensemble.base):
        first = nodes.trees_of(output)[0]
        assert (nodes.feature[first].tolist(), nodes.number[first].tolist()) == ([-1], [np.float32(base)])
