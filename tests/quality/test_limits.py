"""Limits of columns: one number for all, or a mapping with a rest."""

from __future__ import annotations

import math
from typing import Any

import pytest

from airflow_batchscore.errors import GateError
from airflow_batchscore.quality.limits import ColumnLimits

pytestmark = pytest.mark.unit


def test_a_number_or_its_text_holds_for_every_column() -> None:
    for value in (0.25, "0.25"):
        limits = ColumnLimits.of("max_drift", value)
        assert (limits.allowed("a"), limits.limited(["a", "b"]), str(limits)) == (0.25, ["a", "b"], "0.25")
    assert ColumnLimits.of("max_drift", 0).exceeds("a", 1e-9)


def test_a_mapping_limits_its_columns_and_a_star_the_others() -> None:
    some, all_ = ({"a": "0.1", "b": 0.3}, {"a": 0.1, "*": 1})
    limits = ColumnLimits.of("max_drift", some)
    assert (limits.allowed("a"), limits.allowed("c"), str(limits)) == (0.1, None, "a 0.1, b 0.3")
    assert not limits.exceeds("c", 99)
    assert limits.limited(["a", "c"]) == ["a"]
    limits = ColumnLimits.of("max_drift", all_)
    assert (limits.allowed("c"), str(limits)) == (1.0, "a 0.1, others 1")


def test_the_worst_column_is_the_one_furthest_above_its_own_limit() -> None:
    limits = ColumnLimits.of("max_drift", {"a": 0.1, "*": 1})
    assert limits.worst({"a": 0.5, "b": 1.2}) == ("a", 0.5)
    assert limits.worst({"a": 0.05, "b": 0.5}) == ("a", 0.05)
    assert ColumnLimits.of("max_drift", {"a": 0.1}).worst({"b": 9.0}) is None


@pytest.mark.parametrize(
    "value", [math.nan, "nan", math.inf, -0.1, "much", "", None, [], True, {"a": "much"}, {"*": -1}]
)
def test_what_is_no_limit_is_refused(value: Any) -> None:
    with pytest.raises(GateError, match=r"max_drift.* is no limit: give a number such as 0\.25"):
        ColumnLimits.of("max_drift", value)


@pytest.mark.parametrize("value", [1.5, 5, {"a": 5}])
def test_a_share_is_at_most_one(value: Any) -> None:
    with pytest.raises(GateError, match=r"max_unseen.* is no limit: give a share from 0 to 1 such as 0\.01"):
        ColumnLimits.of("max_unseen", value, most=1)


def test_a_mapping_without_columns_and_unknown_columns_are_refused() -> None:
    with pytest.raises(GateError, match=r"max_drift=\{\} names no column"):
        ColumnLimits.of("max_drift", {})
    with pytest.raises(GateError, match="max_drift names prise, not among the features: price, size. Correct"):
        ColumnLimits.of("max_drift", {"prise": 0.1, "*": 1}).require_known({"price", "size"}, "the features")
