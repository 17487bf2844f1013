"""Thresholds in float32: every number goes the way that it goes in the library, also one beside a threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_batchscore.model.compiled.ensembles import Ensemble, NotCompiledError, Tree
from airflow_batchscore.model.compiled.splits import Rounding, splits_of, thresholds_of

pytestmark = pytest.mark.unit

LARGEST = float(np.finfo(np.float32).max)
numbers = st.floats(-1e30, 1e30) | st.floats(-3, 3) | st.integers(-5, 5).map(float) | st.floats(-1e-44, 1e-44)


def ensemble(thresholds: Any, *, rounds: bool, less: bool = False, feature: Any = 0) -> Ensemble:
    """Stumps that compare one feature with each threshold."""
    trees = tuple(
        Tree(
            feature=np.array([feature, -1, -1]),
            threshold=np.array([threshold, 0.0, 0.0]),
            left=np.array([1, -1, -1]),
            right=np.array([2, -1, -1]),
            missing_left=np.array([False, False, False]),
            value=np.array([0.0, 0.0, 1.0]),
            output=0,
        )
        for threshold in thresholds
    )
    return Ensemble(
        trees=trees,
        features=1,
        base=(0.0,),
        averaged=False,
        link="identity",
        slope=1.0,
        less=less,
        rounds=rounds,
        single=False,
        zero=0.0,
    )


def beside(thresholds: Any) -> np.ndarray:
    """Each threshold, its neighbours in float64 and float32, the numbers halfway to those, and their neighbours."""
    given = np.asarray(thresholds, dtype=np.float64)
    near = given.astype(np.float32)
    floats = [near, *(np.nextafter(near, np.float32(side)) for side in (-np.inf, np.inf))]
    values = [given, *floats, *((floats[0].astype(float) + each) / 2 for each in floats[1:]), (given + near) / 2]
    around = [np.nextafter(each.astype(float), side) for each in values for side in (-np.inf, np.inf)]
    return np.concatenate([*values, *around, [0.0, -0.0, 1.0, -1.0]]).astype(np.float64)


@given(st.lists(numbers, min_size=1, max_size=8), st.lists(numbers, max_size=8), st.booleans())
@example([0.0], [-0.0], True)
@example([1e-44], [0.0], False)
def test_a_library_that_rounds_sends_every_number_the_same_way(
    thresholds: list[float], others: list[float], less: bool
) -> None:
    if less:  # of XGBoost, which keeps thresholds in float32
        thresholds = np.array(thresholds, dtype=np.float32).astype(float).tolist()
    model = ensemble(thresholds, rounds=True, less=less)
    values = np.concatenate([beside(thresholds), others])
    rows = Rounding(thresholds_of(model), single=True).rows(values[:, None])
    assert rows.dtype == np.float32
    for threshold in thresholds:
        compared, to = values.astype(np.float32), np.float64(threshold)
        library = compared < to if less else compared <= to
        ours = rows[:, 0] <= splits_of(model, np.array([threshold]))[0]
        np.testing.assert_array_equal(ours, library)


@given(st.lists(numbers, min_size=1, max_size=8), st.lists(numbers, max_size=8), st.sampled_from([0.0, 1e-35]))
@example([0.0], [1e-60, -1e-60, -0.0], 0.0)
@example([-1e-60], [0.0, -0.0, -1e-70, 1e-70], 0.0)
@example([-1e-35], [-1e-35, 1e-35, -1e-36], 1e-35)
@example([0.1, 1.0, 0.7], [np.float32(0.1)], 0.0)
@example([1.0, float(np.nextafter(np.float32(1), np.float32(2)))], [1 + 1e-9, 1 - 1e-9, 1 + 2e-7], 0.0)
def test_a_library_that_compares_float64_sends_every_number_the_same_way(
    thresholds: list[float], others: list[float], zero: float
) -> None:
    model = ensemble(thresholds, rounds=False)
    try:
        kept = thresholds_of(model)
    except NotCompiledError:
        return  # two thresholds that float32 cannot tell apart
    values = np.concatenate([beside(thresholds), others])
    rows = Rounding(kept, single=False, zero=zero).rows(values[:, None])
    assert rows.dtype == np.float64
    np.testing.assert_array_equal(rows, rows.astype(np.float32))  # oneDAL compares with float32
    for threshold in thresholds:
        ours = rows[:, 0] <= splits_of(model, np.array([threshold]))[0]
        np.testing.assert_array_equal(ours, np.where(np.abs(values) <= zero, 0.0, values) <= threshold)


def test_thresholds_that_float32_cannot_tell_apart_are_refused() -> None:
    model = ensemble([1.6e9, 1.6e9 + 0.5], rounds=False)
    with pytest.raises(NotCompiledError, match="feature 0 lie closer to each other than float32 can tell apart"):
        thresholds_of(model)
    assert thresholds_of(ensemble([1.6e9, 1.6e9 + 0.5], rounds=True))[0].size == 0


def test_missing_values_stay_missing_and_what_float32_cannot_hold_becomes_infinite() -> None:
    for rounds in (True, False):
        rounding = Rounding(thresholds_of(ensemble([0.5, np.inf], rounds=rounds)), single=False)
        rows = rounding.rows(np.array([[np.nan], [1e300], [-1e39], [LARGEST], [np.inf]]))[:, 0]
        assert np.isnan(rows[0])
        assert rows[1:].tolist() == [np.inf, -np.inf, LARGEST, np.inf]


def test_a_feature_without_thresholds_and_both_memory_layouts() -> None:
    model = ensemble([0.1], rounds=False, feature=0)
    wide = replace(model, features=2)
    matrix = np.random.default_rng(0).normal(size=(50, 2))
    rounding = Rounding(thresholds_of(wide), single=False)
    np.testing.assert_array_equal(rounding.rows(matrix), rounding.rows(np.asfortranarray(matrix)))
    assert rounding.rows(matrix).flags.c_contiguous
