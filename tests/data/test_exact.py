from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_batchscore.data.exact import cast_exactly, rounded_by_pandas, to_column
from airflow_batchscore.data.halves import cast_by_halves

pytestmark = pytest.mark.unit

NOON = datetime(2026, 1, 1, 12)


def _objects(*values: Any) -> Any:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


@pytest.mark.parametrize(
    "values",
    [
        _objects(date(2026, 1, 1), NOON),
        _objects(NOON, NOON.replace(tzinfo=UTC)),
        _objects(pd.Timestamp("2026-01-01 00:00:00.000000001")),
        _objects(timedelta(1), 1),
        _objects(b"a", "a"),
    ],
    ids=["a time among dates", "an instant among times", "nanoseconds", "a number among durations", "text among bytes"],
)
def test_values_that_arrow_would_bend_are_refused_with_the_first_such_value(values: Any) -> None:
    last = len(values) - 1
    for some in (values, pd.Series(values, dtype=object), pd.Series(values, dtype=object).set_axis(range(7, 8 + last))):
        with pytest.raises(ValueError, match=re.escape(f"row {last} has {values[last]!r}: ")):
            to_column(some)


@pytest.mark.parametrize(
    "values",
    [
        _objects(1, 2.5, None, np.float32(0.1), np.nan),
        _objects(Decimal("1.10"), 2, None),
        _objects(date(9999, 12, 31), None),
        _objects(NOON, None),
        _objects("a", None),
        _objects([1, 2], None),
        np.array([1, 2]),
    ],
)
def test_values_that_arrow_keeps_pass(values: Any) -> None:
    assert len(to_column(values)) == len(values)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([NOON]), pa.date32()),
        (pa.array([NOON.replace(tzinfo=UTC)]), pa.timestamp("us")),
        (pa.array([NOON]), pa.timestamp("us", "UTC")),
        (pa.array([1.125]), pa.decimal128(5, 2)),
        (pa.array([Decimal("12345678901234567890.12")]), pa.float64()),
        (pa.array([2.0**60]), pa.int64()),
        (pa.array([1.5]), pa.int64()),
        (pa.array([2**53 + 1]), pa.float64()),
        (pa.array([2**63], pa.uint64()), pa.int64()),
    ],
    ids=str,
)
def test_a_cast_that_loses_something_is_refused(values: pa.Array, kind: pa.DataType) -> None:
    with pytest.raises((ValueError, pa.ArrowException)):
        cast_exactly(values, kind)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([datetime(2026, 1, 1), None]), pa.date32()),
        (pa.array([date(2026, 1, 1)]), pa.timestamp("us")),
        (pa.array([1.0, None]), pa.int64()),
        (pa.array([2**53]), pa.float64()),
        (pa.array([0.1, float("nan")]), pa.float32()),
        (pa.array([Decimal("1.10")]), pa.float64()),
        (pa.array([1.25]), pa.decimal128(5, 2)),
        (pa.array(["a"]), pa.large_string()),
        (pa.nulls(2), pa.float64()),
    ],
    ids=str,
)
def test_a_cast_that_keeps_every_value_is_made(values: pa.Array, kind: pa.DataType) -> None:
    made = cast_exactly(values, kind)
    assert made.type == kind
    assert made.null_count == values.null_count


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ([1.0, 2.0, "x", 3.0], 2),
        ([1, 2**63], 1),
        ([None, True, 1], 2),
        ([date(2026, 1, 1), NOON, NOON], 1),
        ([Decimal("1.5"), 2.5], 1),
    ],
)
def test_the_first_value_that_does_not_fit_is_named(values: list[Any], place: int) -> None:
    with pytest.raises(ValueError, match=re.escape(f"row {place} has {values[place]!r}")):
        to_column(pd.Series(values, dtype=object))


@pytest.mark.parametrize("kind", [pa.decimal128(10, 2), pa.decimal256(40, 2)], ids=str)
def test_a_decimal_becomes_the_float_that_is_nearest_to_it(kind: pa.DataType) -> None:
    prices = [Decimal(number).scaleb(-2) for number in range(-1000, 1000)]
    column = pa.array([*prices, None], kind)
    expected = [*map(float, prices), None]
    assert cast_by_halves(column, pa.float64()) == (pa.array(expected), [])
    assert cast_exactly(column, pa.float64()).to_pylist() == expected


@pytest.mark.parametrize(
    ("kind", "big"),
    [("int64", 2**53 + 1), ("int64", -(2**53) - 1), ("uint64", 2**53 + 1), ("uint64", 2**63), ("uint64", 2**64 - 1)],
)
def test_a_large_integer_beside_a_missing_one_would_become_a_float(kind: str, big: int) -> None:
    column = pa.chunked_array([pa.array([1, big, None], pa.type_for_alias(kind))])
    assert rounded_by_pandas(column) == [1]
    assert rounded_by_pandas(column.slice(0, 2)) == []


@pytest.mark.parametrize("kind", ["int8", "uint8", "int64", "uint64", "double", "string"])
def test_small_integers_and_other_types_beside_missing_ones_stay(kind: str) -> None:
    column = pa.chunked_array([pa.array([1, None, 127]).cast(pa.type_for_alias(kind))])
    assert rounded_by_pandas(column) == []
