from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_batchscore.quality.drift import drift, population_stability_index
from airflow_batchscore.quality.profile import (
    SAMPLE_ROWS,
    WHOLE_ROWS,
    count,
    count_matrix,
    make_bins,
    merge,
    sampled,
)

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
    assert count(frame, bins, 5) == {name: [5 * n for n in some] for name, some in count(frame, bins).items()}
    numbers = {"x": bins["x"]}
    assert count_matrix(frame[["x"]].to_numpy(), ["x"], numbers, 5) == {"x": count(frame, bins, 5)["x"]}


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
    assert count_matrix(frame.to_numpy(), ["x", "y"], bins) == count(frame, bins)


def test_drift_is_nothing_for_the_same_and_large_for_another_distribution() -> None:
    bins = make_bins(FRAME)
    same, other = count(FRAME, bins), count(FRAME.assign(x=FRAME["x"] + 0.5), bins)
    assert drift(same, same) == dict.fromkeys(FRAME.columns, 0.0)
    assert drift(same, other)["x"] > 0.25
    assert drift(same, other)["s"] == 0.0


def test_the_index_is_the_one_of_the_literature() -> None:
    # 0.1 * ln(0.6 / 0.5) - 0.1 * ln(0.4 / 0.5)
    assert population_stability_index([50, 50], [60, 40]) == pytest.approx(0.0405465, abs=1e-6)
    assert np.isnan(population_stability_index([50, 50], [0, 0]))
    assert np.isfinite(population_stability_index([100, 0], [0, 100]))


@pytest.mark.parametrize(
    ("shift", "values"),
    [
        (Decimal(1000), [Decimal(n) / 7 for n in range(700)]),
        (timedelta(days=900), [date(2020, 1, 1) + timedelta(days=n) for n in range(700)]),
        (timedelta(days=900), [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(700)]),
        (timedelta(days=900), [timedelta(hours=n) for n in range(700)]),
        (1000, [Fraction(n, 3) for n in range(700)]),
    ],
    ids=["decimals", "dates", "instants", "durations", "fractions"],
)
@pytest.mark.parametrize("as_objects", [True, False])
def test_values_on_a_line_are_binned_whatever_pandas_keeps_them_in(
    shift: Any, values: list[Any], as_objects: bool
) -> None:
    def frame(some: list[Any]) -> pd.DataFrame:
        return pd.DataFrame({"x": pd.Series([*some, None], dtype=object if as_objects else None)})

    bins = make_bins(frame(values))
    reference = count(frame(values), bins)
    assert reference["x"] == [70] * 10 + [0, 1]
    assert drift(reference, reference)["x"] == 0
    assert drift(reference, count(frame([value + shift for value in values]), bins))["x"] > 1
    assert count(pd.DataFrame({"x": ["text", True]}), bins)["x"][-2:] == [2, 0]


def test_times_of_day_are_binned_and_truth_values_are_named() -> None:
    frame = pd.DataFrame(
        {"t": [time(hour, 30) for hour in range(20)], "b": pd.Series([True, False] * 10, dtype=object)}
    )
    bins = make_bins(frame)
    assert "edges" in bins["t"]
    assert bins["b"] == {"values": ["False", "True"]}
