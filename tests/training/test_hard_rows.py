"""Rows that are hard for compiled trees: each reaches the node that it was made for, and lies at its threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiled_models import fitted

from airflow_batchscore.model.compiled.ensembles import Ensemble, read_ensemble
from airflow_batchscore.training.hard_rows import at_thresholds, extremes, without_values

pytestmark = pytest.mark.unit


def _visited(ensemble: Ensemble, row: np.ndarray) -> list[tuple[int, int]]:
    """Tree and node of every comparison of a row, by a walk in Python."""
    found = []
    given = row.astype(np.float32).astype(float) if ensemble.rounds else row
    for number, tree in enumerate(ensemble.trees):
        node = 0
        while tree.feature[node] >= 0:
            found.append((number, node))
            value, threshold = given[tree.feature[node]], tree.threshold[node]
            left = value < threshold if ensemble.less else value <= threshold
            node = int((tree.left if left else tree.right)[node])
    return found


@pytest.mark.parametrize("name", ["forest", "histogram boosting", "xgboost", "lightgbm"])
def test_every_node_is_reached_with_a_value_at_its_threshold(name: str) -> None:
    model, frame = fitted(name)
    ensemble = read_ensemble(model)
    nodes = {
        (number, int(node)) for number, tree in enumerate(ensemble.trees) for node in np.flatnonzero(tree.feature >= 0)
    }
    made = [rows.copy() for rows in at_thresholds(ensemble, frame.to_numpy())]
    assert all(len(rows) == len(nodes) for rows in made)
    for row, (number, node) in zip(made[0], sorted(nodes), strict=True):
        tree = ensemble.trees[number]
        assert row[tree.feature[node]] == tree.threshold[node]
        assert (number, node) in _visited(ensemble, row)


def test_rows_lack_one_value_or_hold_an_extreme() -> None:
    model, frame = fitted("forest")
    ensemble = read_ensemble(model)
    assert (np.isnan(without_values(ensemble, frame.to_numpy())).sum(axis=1) == 1).all()
    made: list[Any] = [rows.copy() for rows in extremes(ensemble, frame.to_numpy())]
    assert any(np.isinf(rows).any(axis=1).all() for rows in made)
    assert any((np.abs(rows).max(axis=1) == np.finfo(np.float32).max).all() for rows in made)
