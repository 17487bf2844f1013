"""How far two models' numbers lie apart: like numpy's answer on all rows, however they were cut into blocks."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import pytest

from airflow_batchscore.quality.differences import ERROR, Differences

pytestmark = pytest.mark.unit

SHARES = (0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0)


@pytest.fixture(scope="module")
def both() -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    champion = chance.normal(5, 2, 20_000)
    apart = chance.normal(0.01, 1, 20_000) * 10.0 ** chance.integers(-12, 6, 20_000)
    return champion, champion + np.where(chance.random(20_000) < 0.1, 0, apart)


@pytest.mark.parametrize("cuts", [1, 7])
def test_figures_are_those_of_all_rows(both: tuple[np.ndarray, np.ndarray], cuts: int) -> None:
    champion, challenger = both
    blocks = [Differences.of(a, b) for a, b in zip(*(np.array_split(x, cuts) for x in both), strict=True)]
    found = reduce(lambda one, other: one + other, blocks, Differences())
    apart = challenger - champion
    assert found.rows == 20_000
    assert found.mean == pytest.approx(apart.mean(), rel=1e-6)
    assert found.mean_size == pytest.approx(np.abs(apart).mean())
    assert found.most == np.abs(apart).max()
    assert found.correlation == pytest.approx(np.corrcoef(champion, challenger)[0, 1])
    for share in SHARES:
        for measured, exact in (
            (found.quantile(share), np.quantile(apart, share, method="lower")),
            (found.size_quantile(share), np.quantile(np.abs(apart), share, method="lower")),
        ):
            assert measured == pytest.approx(exact, rel=1.001 * ERROR, abs=0), share
            assert abs(measured) >= abs(exact) * (1 - 1e-9), "never too small"


def test_a_row_of_one_model_alone_and_a_missing_number_are_unbounded() -> None:
    nan, inf = math.nan, math.inf
    found = Differences.of(np.array([1.0, nan, nan, inf, inf, 3.0]), np.array([1.5, nan, 1.0, inf, -inf, 3.0]), alone=2)
    assert (found.rows, found.unbounded) == (8, 4)
    assert (found.mean_size, found.most) == (inf, inf)
    assert [found.size_quantile(share) for share in (0.0, 0.4, 0.5, 0.6, 1.0)] == [
        0.0,
        0.0,
        pytest.approx(0.5, rel=ERROR),
        inf,
        inf,
    ]
    assert found.quantile(1.0) == pytest.approx(0.5, rel=ERROR)
    assert found.mean == pytest.approx(0.25)


def test_nothing_has_no_figures() -> None:
    for nothing in (Differences(), Differences.of(np.array([]), np.array([]))):
        assert (nothing.mean, nothing.correlation, nothing.quantile(0.5)) == (None, None, None)
        assert all(math.isnan(value) for value in (nothing.mean_size, nothing.most, nothing.size_quantile(0.95)))
    assert Differences.of(np.array([]), np.array([]), alone=3).size_quantile(0.0) == math.inf


def test_extreme_numbers_have_bins_too() -> None:
    champion = np.array([0.0, 1e308, 0.0])
    found = Differences.of(champion, np.array([5e-324, 1.7e308, -1e308]))
    assert found.unbounded == 0
    assert found.quantile(1.0) == pytest.approx(7e307, rel=ERROR)
    assert Differences.of(np.array([1e308]), np.array([-1e308])).unbounded == 1
