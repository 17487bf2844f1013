"""Drift is the population stability index, and nothing where there is nothing to compare."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from airflow_batchscore.quality.drift import drift, population_stability_index
from airflow_batchscore.quality.profile import count, make_bins

pytestmark = pytest.mark.unit


def test_drift_is_nothing_for_the_same_and_large_for_another_distribution() -> None:
    frame = pd.DataFrame({"x": np.linspace(0, 1, 1000), "s": ["a", "b", "b", None] * 250})
    bins = make_bins(frame)
    same, other = count(frame, bins), count(frame.assign(x=frame["x"] + 0.5), bins)
    assert drift(same, same) == {"x": 0.0, "s": 0.0}
    assert drift(same, other)["x"] > 0.25
    assert drift(same, other)["s"] == 0.0


def test_the_index_is_the_one_of_the_literature() -> None:
    # 0.1 * ln(0.6 / 0.5) - 0.1 * ln(0.4 / 0.5)
    assert population_stability_index([50, 50], [60, 40]) == pytest.approx(0.0405465, abs=1e-6)
    assert np.isnan(population_stability_index([50, 50], [0, 0]))
    assert np.isfinite(population_stability_index([100, 0], [0, 100]))


@pytest.mark.parametrize("counts", [([0, 0], [1, 1]), ([1, 1], [0, 0]), ([], [])])
def test_of_empty_counts_there_is_no_index(counts: tuple[list[int], list[int]]) -> None:
    assert np.isnan(population_stability_index(*counts))


def test_columns_that_one_of_the_profiles_lacks_have_no_drift() -> None:
    assert drift({"x": [1, 1], "gone": [1]}, {"x": [1, 1], "new": [1]}) == {"x": 0.0}


def test_profiles_of_other_bins_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        drift({"x": [1, 1]}, {"x": [1, 1, 1]})
