"""Drift is the population stability index, and nothing where there is nothing to compare."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

from airflow_batchscore.quality.drift import chi_square_p, drift, jensen_shannon, population_stability_index
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


@pytest.mark.parametrize(("rows", "mean", "one_in_20"), [(1000, 0.009, 0.017), (100, 0.10, 0.19), (40, 0.32, 0.93)])
def test_chance_alone_makes_the_index_that_the_docs_state(rows: int, mean: float, one_in_20: float) -> None:
    draws = np.random.default_rng(0).multinomial(rows, [0.1] * 10, size=2000)
    found = [population_stability_index([10_000] * 10, draw.tolist()) for draw in draws]
    assert np.mean(found) == pytest.approx(mean, rel=0.1)
    assert np.quantile(found, 0.95) == pytest.approx(one_in_20, rel=0.1)


@pytest.mark.parametrize("counts", [([0, 0], [1, 1]), ([1, 1], [0, 0]), ([], [])])
def test_of_empty_counts_there_is_no_index(counts: tuple[list[int], list[int]]) -> None:
    assert np.isnan(population_stability_index(*counts))


def test_columns_that_one_of_the_profiles_lacks_have_no_drift() -> None:
    assert drift({"x": [1, 1], "gone": [1]}, {"x": [1, 1], "new": [1]}) == {"x": 0.0}


def test_profiles_of_other_bins_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        drift({"x": [1, 1]}, {"x": [1, 1, 1]})


def test_the_jensen_shannon_distance_lies_between_nothing_and_one() -> None:
    assert jensen_shannon([5, 5], [50, 50]) == pytest.approx(0)
    assert jensen_shannon([5, 0], [0, 9]) == pytest.approx(1)
    assert 0 < jensen_shannon([5, 5], [6, 4]) < jensen_shannon([5, 5], [9, 1]) < 1
    assert np.isnan(jensen_shannon([0, 0], [1, 1]))


def test_p_is_that_of_scipy_for_as_many_rows_as_were_looked_at() -> None:
    trained, scored = [500, 300, 200], [52_000, 28_000, 20_000]
    for sample in (100, 1_000, 100_000):
        scaled = np.array(scored) * sample / 100_000
        wanted = chi2_contingency([trained, scaled], correction=False).pvalue
        assert chi_square_p(trained, scored, sample) == pytest.approx(wanted)
    assert chi_square_p(trained, scored, 100) > 0.5 > chi_square_p(trained, scored, 100_000)


def test_rare_classes_are_pooled_and_too_few_rows_say_nothing() -> None:
    many, trained = [1000, 1000, *[1] * 20], [1000, 1000, *[1] * 20]
    pooled = chi2_contingency([[1000, 1000, 20], [1000, 1000, 20]], correction=False).pvalue
    assert chi_square_p(trained, many, 2020) == pytest.approx(pooled)
    # Training never saw the last class: few rows of it are telling, and none of them is left out.
    assert chi_square_p([12_000, 8_000, 0], [5_400, 3_600, 1_000], 1000) < 1e-100
    assert np.isnan(chi_square_p([1, 0], [1, 0], 2))
    assert np.isnan(chi_square_p([10, 10], [10, 10], 0))
    assert np.isnan(chi_square_p([100], [100], 100)), "one class cannot differ"


def test_p_is_as_often_small_as_it_says() -> None:
    chance = np.random.default_rng(1)
    shares = [0.5, 0.3, 0.15, 0.05]
    found = [
        chi_square_p(*(chance.multinomial(rows, shares).tolist() for rows in (5000, 1024)), 1024) for _ in range(1000)
    ]
    assert 0.03 < np.mean(np.array(found) < 0.05) < 0.07
