"""Values become columns of the output type: of the right kind and unchanged, or refused with their place."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_batchscore.errors import ScoringError
from airflow_batchscore.scoring.scorers.columns import MisfitError, as_column, prediction_column

pytestmark = pytest.mark.unit

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (np.array([1.0, NAN]), pa.float64(), [1.0, NAN]),
        (np.array([1.5, 2.5]), pa.float32(), [1.5, 2.5]),
        (np.array([1.0, NAN]), pa.int64(), [1, None]),
        (pd.Series([1, None], dtype="Int64"), pa.int64(), [1, None]),
        (pd.Series([1, None], dtype="Int64"), pa.float64(), [1.0, None]),
        (pd.Series([0.5, None], dtype="Float64"), pa.float64(), [0.5, None]),
        (pd.Series(["a", None, "a"], dtype="category"), pa.string(), ["a", None, "a"]),
        (pd.Series(["a", None], dtype="string"), pa.string(), ["a", None]),
        (np.array([True, None], dtype=object), pa.bool_(), [True, None]),
        (np.array([None, NAN, pd.NA], dtype=object), pa.string(), [None, None, None]),
        (np.array([date(2026, 1, 1)], dtype=object), pa.timestamp("us"), [datetime(2026, 1, 1)]),
    ],
    ids=str,
)
def test_values_of_the_right_kind_are_kept(values: Any, kind: pa.DataType, expected: list[Any]) -> None:
    column = as_column(values, kind)
    assert column.type == kind
    np.testing.assert_equal(column.to_pylist(), expected)


@pytest.mark.parametrize(
    ("values", "kind", "place"),
    [
        ([1.0, "high"], pa.float64(), 1),
        ([1.0, 2.0, "2.5"], pa.float64(), 2),
        ([1, 2.5], pa.int64(), 1),
        ([1.0, True], pa.float64(), 1),
        ([1, np.True_], pa.int64(), 1),
        ([True, 1], pa.bool_(), 1),
        (["x", 7], pa.string(), 1),
        (["x", b"y"], pa.string(), 1),
        ([7, "x"], pa.string(), 0),
        ([0.5, 2**53 + 1], pa.float64(), 1),
        ([1, 300], pa.int8(), 1),
        ([1, [2]], pa.int64(), 1),
    ],
    ids=str,
)
def test_a_value_of_another_kind_is_refused_with_its_place(values: list[Any], kind: pa.DataType, place: int) -> None:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    with pytest.raises(MisfitError, match=f"row {place} has ") as refused:
        as_column(made, kind)
    assert refused.value.place == place


@pytest.mark.parametrize(
    "values", [np.array([]), pd.Series([], dtype="int64"), pd.Series([], dtype=object), []], ids=str
)
def test_no_values_fit_every_type(values: Any) -> None:
    """pandas gives a result without rows any type: ``Series.map`` keeps that of its input."""
    for kind in (pa.string(), pa.bool_(), pa.timestamp("us"), pa.float64()):
        assert as_column(values, kind) == pa.array([], kind)


def _checked(values: Any, kind: pa.DataType, *, allow_nan: bool = False) -> list[Any]:
    column = prediction_column("score", values, kind, lambda place: 100 + place, allow_nan=allow_nan)
    return list(column.to_pylist())


@pytest.mark.parametrize(
    ("values", "kind", "count", "first"),
    [
        (np.array([1.0, NAN, 2.0]), pa.float64(), 1, "nan for row 101"),
        (np.array([1.0, 2.0, -np.inf]), pa.float64(), 1, "-inf for row 102"),
        (np.array([NAN, np.inf, -np.inf]), pa.float32(), 3, "nan for row 100"),
        (pd.array([1.0, None, np.inf], "Float64"), pa.float64(), 2, "<NA> for row 101"),
        (np.array(["a", None], dtype=object), pa.string(), 1, "None for row 101"),
        (np.array([1.0, NAN]), pa.int64(), 1, "nan for row 101"),
    ],
    ids=str,
)
def test_values_that_are_not_there_are_counted_and_the_first_is_named(
    values: Any, kind: pa.DataType, count: int, first: str
) -> None:
    with pytest.raises(ScoringError) as refused:
        _checked(values, kind)
    assert f"{count} of {len(values)} predictions are NaN, infinite or missing in the output 'score'" in str(
        refused.value
    )
    assert first in str(refused.value)
    assert len(_checked(values, kind, allow_nan=True)) == len(values)


def test_large_values_whose_sum_is_no_number_are_there() -> None:
    values = np.array([1e308, 1e308, -1e308])
    assert _checked(values, pa.float64()) == values.tolist()
    assert _checked(np.array([], dtype=float), pa.float64()) == []


def test_a_prediction_of_another_kind_says_what_training_found() -> None:
    values = np.array([1.0, "high"], dtype=object)
    with pytest.raises(
        ScoringError, match="the output 'score' is double, as training found it, but row 101 has 'high'"
    ):
        _checked(values, pa.float64(), allow_nan=True)
