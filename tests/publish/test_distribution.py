"""Shares of the bins of a column, and what the bins are called."""

from __future__ import annotations

import math

import pytest

from airflow_batchscore.publish.distribution import distribution

pytestmark = pytest.mark.unit


def _labels(edges: list[float]) -> list[str]:
    counts = [1] * (len(edges) + 3)
    return list(distribution({"edges": edges}, counts, [counts]).labels)


def test_bins_have_readable_names() -> None:
    assert _labels([]) == ["all", "other", "missing"]
    assert _labels([0.5, 12345.678])[:3] == ["below 0.5", "0.5 to 1.235e+04", "1.235e+04 and up"]
    assert _labels([0.0, math.nextafter(0, 1), 3.0])[:3] == ["below 0", "0", "0 to 3"]


def test_bins_without_a_value_anywhere_are_left_out() -> None:
    found = distribution({"values": ["x", "y"]}, [3, 0, 0, 1], [[0, 0, 0, 2], [2, 0, 0, 0]])
    assert (found.labels, found.training, found.scored) == (["x", "missing"], [0.75, 0.25], [0.5, 0.5])
    assert found.each == [[0, 1], [1, 0]]


@pytest.mark.parametrize("each", [[], [[]], [[0, 0, 0]], [[1, 2, 3, 4, 5]]])
def test_where_nothing_of_these_bins_was_counted_there_is_no_drift(each: list[list[int]]) -> None:
    found = distribution({"values": ["x"]}, [1, 0, 0], each)
    assert (found.scored, math.isnan(found.drift)) == ([0], True)
