"""Values with an order become numbers, whatever pandas keeps them in; names do not."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_batchscore.quality.drift import drift
from airflow_batchscore.quality.numbers import as_numbers
from airflow_batchscore.quality.profile import count, make_bins

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (Decimal("1.5"), 1.5),
        (Fraction(1, 4), 0.25),
        (np.int8(-3), -3.0),
        (date(1970, 1, 2), 86400.0),
        (datetime(1970, 1, 1, 0, 0, 1), 1.0),
        (datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=1))), 3600.0),
        (pd.Timestamp(1970, 1, 1, 1, tz="UTC"), 3600.0),
        (time(1, 0, 1, 500_000), 3601.5),
        (timedelta(minutes=-1), -60.0),
        (np.timedelta64(3, "s"), 3.0),
        (np.datetime64("1969-12-31", "ns"), -86400.0),
    ],
    ids=str,
)
def test_times_are_seconds_and_numbers_are_themselves(value: Any, number: float) -> None:
    assert as_numbers(pd.Series([value, None], dtype=object)).tolist() == [number]


@pytest.mark.parametrize("value", ["1", True, np.False_, 1j, b"1", (1,)], ids=repr)
def test_other_values_are_no_numbers(value: Any) -> None:
    column = pd.Series([None, None], dtype=object)
    column[0] = value
    assert np.isnan(as_numbers(column)).tolist() == [True]


@pytest.mark.parametrize("dtype", ["category", "string"])
def test_categories_and_text_are_names(dtype: str) -> None:
    assert np.isnan(as_numbers(pd.Series(["1", "2", None], dtype=dtype))).tolist() == [True, True]


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
