"""Profiles count every row once, in bins that do not move, so that profiles of pieces add up."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from airflow_batchscore.quality.drift import drift
from airflow_batchscore.quality.profile import (
    SAMPLE_ROWS,
    WHOLE_ROWS,
    Profile,
    ReferenceProfile,
    by_position,
    count,
    counted,
    expected,
    make_bins,
    merge,
    sampled,
)
from airflow_batchscore.quality.values import of_frame, of_matrix

pytestmark = pytest.mark.unit

FRAME = pd.DataFrame(
    {"x": np.linspace(0, 1, 1000), "s": ["a", "b", "b", None] * 250, "t": [True, False] * 500, "c": [5.0] * 1000}
)


def test_counts_every_row_once_whatever_its_value() -> None:
    bins = make_bins(FRAME)
    counts = count(FRAME, bins)
    assert {name: sum(values) for name, values in counts.items()} == dict.fromkeys(FRAME.columns, 1000)
    assert counts["s"] == [500, 250, 0, 250]
    strange = pd.DataFrame({"x": [np.nan, -9, 9, np.inf], "s": ["new"] * 4, "t": [None] * 4, "c": ["text"] * 4})
    found = count(strange, bins)
    assert found["x"][0] == 1
    assert found["x"][-1] == 1
    assert found["s"][-2:] == [4, 0]
    assert found["t"][-1] == 4
    assert found["c"][-2] == 4


def test_profiles_of_pieces_add_up_to_that_of_the_whole() -> None:
    bins = make_bins(FRAME)
    halves = merge(count(FRAME.iloc[:300], bins), count(FRAME.iloc[300:], bins))
    assert halves == count(FRAME, bins)
    assert merge({}, halves) == halves == merge(halves, {})


def test_a_small_batch_is_looked_at_whole_and_a_large_one_sampled() -> None:
    assert sampled(WHOLE_ROWS) == (slice(None), 1)
    rows, weight = sampled(100_000)
    assert SAMPLE_ROWS / 2 < len(rows) <= SAMPLE_ROWS
    assert len(rows) * weight == pytest.approx(100_000, rel=0.01)
    assert rows[-1] > 99_000


@pytest.mark.parametrize("sensors", [2, 64, 98, 128])
def test_rows_that_repeat_a_pattern_are_all_seen(sensors: int) -> None:
    rows, _ = sampled(100_000)
    shares = np.bincount(rows % sensors, minlength=sensors) / len(rows)
    assert shares.max() < 4 / sensors
    assert (shares[: min(sensors, 64)] > 0).mean() > 0.95


def test_rows_that_stand_for_others_count_for_as_many() -> None:
    frame = pd.DataFrame({"x": [0.0, 1.0, np.nan], "t": ["a", "b", None]})
    bins = make_bins(frame)
    once = count(frame, bins)
    assert counted(of_frame(frame, bins), bins, 5) == {name: [5 * n for n in some] for name, some in once.items()}


def test_a_value_that_many_rows_have_is_told_from_what_lies_above_and_below() -> None:
    mostly_zero = np.where(np.arange(2000) % 20 == 0, np.arange(2000) % 7 + 1.0, 0.0)
    for value in (0.0, 5.0, -3.0, 1e300, 2.0**60):
        frame = pd.DataFrame({"constant": np.full(2000, value), "mostly": mostly_zero + value})
        bins = make_bins(frame)
        counts = count(frame, bins)
        for other in (np.nextafter(value, np.inf), np.nextafter(value, -np.inf), 2 * value + 1e6, -1e305):
            found = drift(counts, count(frame * 0 + other, bins))
            assert min(found.values()) > 0.25, (value, other, found)


def test_numbers_in_a_matrix_are_counted_as_in_a_frame() -> None:
    frame = pd.DataFrame({"x": [0.0, 1.0, np.nan, 0.5], "y": [1.0, 2.0, 3.0, np.inf]})
    bins = make_bins(frame)
    assert counted(of_matrix(frame.to_numpy(), ["x", "y"]), bins) == count(frame, bins)


def test_missing_numbers_are_in_no_bin() -> None:
    values = np.array([[0.5], [np.nan], [-np.inf], [np.inf], [np.nan]])
    assert counted(of_matrix(values, ["x"]), {"x": {"edges": [0.0, 1.0]}}) == {"x": [1, 1, 1, 0, 2]}
    assert counted(of_matrix(values, ["x"]), {"x": {"edges": []}}) == {"x": [3, 0, 2]}


def test_bins_of_several_models_are_added_by_position() -> None:
    short, long = {"x": [1, 2, 3, 0, 9]}, {"x": [1] * 12}
    padded = by_position(short)
    assert padded["x"][:3] == [1, 2, 3]
    assert padded["x"][-2:] == [0, 9]
    assert sum(padded["x"]) == 15
    assert merge(padded, by_position(long))["x"][:4] == [2, 3, 4, 1]
    assert by_position({"x": [0.5, 1.0, 0.0]})["x"] == [0.5, *[0.0] * 19, 1.0, 0.0]


def test_expected_counts_have_the_shares_of_training_and_the_rows_of_now() -> None:
    reference = {"x": [30, 10, 0, 0], "y": [1, 1, 0, 0], "empty": [0, 0, 0, 0]}
    current = {"x": [0, 8, 0, 0], "y": [0, 0, 0, 0], "empty": [1, 0, 0, 0], "new": [1, 0, 0, 0]}
    assert expected(reference, current) == {"x": [6.0, 2.0, 0.0, 0.0], "y": [0.0] * 4}


def test_counts_of_other_bins_are_not_added() -> None:
    with pytest.raises(ValueError, match="zip"):
        merge({"x": [1, 2, 3]}, {"x": [1, 2, 3, 4]})


def test_a_profile_counts_the_columns_that_a_frame_has() -> None:
    frame = pd.DataFrame({0: [1.0, 2.0], "s": ["a", "a"]})
    assert count(frame[[0]], make_bins(frame)).keys() == {"0"}


def test_an_output_is_compared_with_the_method_that_it_comes_from() -> None:
    seen = {"predict": Profile({"prediction": {"edges": [0]}}, {"prediction": [1, 2, 0, 0]})}
    seen["predict_proba"] = Profile({"1": {"edges": []}}, {"1": [3, 0, 0]})
    reference = ReferenceProfile(Profile({}, {}), seen)
    written = reference.written(
        {"x": ["predict", "prediction"], "p": ["predict_proba", "1"], "new": ["transform", "x"], "q": ["predict", "q"]}
    )
    assert written == Profile({"x": {"edges": [0]}, "p": {"edges": []}}, {"x": [1, 2, 0, 0], "p": [3, 0, 0]})
    assert ReferenceProfile.from_dict(asdict(reference)) == reference
