"""What training did not see is counted once, for every row that was looked at, and adds up over blocks."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_batchscore.quality.beyond import MOST_CLASSES, Beyond, Ranges, look, make_ranges
from airflow_batchscore.quality.profile import make_bins, sampled
from airflow_batchscore.quality.values import of_frame, of_matrix

pytestmark = pytest.mark.unit

TRAINED = pd.DataFrame({"x": [1.0, 5.0, np.nan], "s": ["a", "b", None], "t": [True, True, True]})


def _ranges(frame: pd.DataFrame) -> Ranges:
    return make_ranges(frame, make_bins(frame))


def _look(frame: pd.DataFrame, weight: int = 1) -> Beyond:
    return look(of_frame(frame, make_bins(TRAINED)), _ranges(TRAINED), len(frame), weight)


def test_the_range_of_numbers_and_all_classes_are_kept() -> None:
    assert _ranges(TRAINED) == {"x": {"low": 1.0, "high": 5.0}, "s": {"known": ["a", "b"]}, "t": {"known": ["True"]}}


def test_what_has_no_value_or_too_many_classes_has_no_range() -> None:
    names = [f"n{number}" for number in range(MOST_CLASSES + 1)]
    frame = pd.DataFrame({"empty": [np.nan] * len(names), "name": names, "infinite": [np.inf] * len(names)})
    assert _ranges(frame) == {}
    assert len(_ranges(frame.iloc[1:])["name"]["known"]) == MOST_CLASSES


def test_rare_classes_that_have_no_bin_of_their_own_are_known_all_the_same() -> None:
    trained = pd.DataFrame({"s": [f"c{n % 100}" for n in range(1000)]})
    bins, ranges = make_bins(trained), _ranges(trained)
    assert len(bins["s"]["values"]) < 100 == len(ranges["s"]["known"])
    assert look(of_frame(trained, bins), ranges, 1000).features["s"] == {"rows": 1000, "unseen": 0}


@pytest.mark.parametrize("values", [
    [Decimal(1), Decimal(5)],
    [date(2026, 1, 1), date(2026, 1, 9)],
    pd.to_datetime(["2026-01-01", "2026-01-09"]),
    pd.array([1, 5], dtype="Int64"),
    np.array([1, 5], dtype=np.int8),
])  # fmt: skip
def test_whatever_has_an_order_has_a_range(values: Any) -> None:
    frame = pd.DataFrame({"x": values})
    ranges, found = _ranges(frame), of_frame(frame, make_bins(frame))
    assert look(found, ranges, 2).features["x"] == {"rows": 2, "below": 0, "above": 0}
    low, high = ranges["x"]["low"], ranges["x"]["high"]
    narrow: Ranges = {"x": {"low": low, "high": (low + high) / 2}}
    assert look(found, narrow, 2).features["x"] == {"rows": 2, "below": 0, "above": 1, "highest": high}


def test_values_outside_and_unseen_classes_are_counted_with_examples() -> None:
    frame = pd.DataFrame({
        "x": [0.5, 3, 7, np.inf, np.nan, -2], "s": ["a", "new", None, "c" * 99, "new", "d"], "t": [False] + [None] * 5,
    })  # fmt: skip
    found = _look(frame, weight=10)
    assert (found.rows, found.squares) == (60, 600)
    assert found.features["x"] == {"rows": 60, "below": 20, "above": 20, "lowest": -2.0, "highest": 7.0}
    assert found.features["s"] == {"rows": 60, "unseen": 40, "such_as": ["new", "c" * 40, "d"]}
    assert found.features["t"] == {"rows": 60, "unseen": 10, "such_as": ["False"]}


def test_pieces_add_up_to_the_whole_and_survive_json() -> None:
    frame = pd.DataFrame({"x": np.linspace(-5, 9, 40), "s": list("abcdefgh") * 5, "t": [True] * 40})
    whole, parts = _look(frame), _look(frame.iloc[:13]) + _look(frame.iloc[13:])
    assert parts == whole == Beyond() + whole
    assert Beyond.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole


def test_a_matrix_gives_what_a_frame_gives() -> None:
    frame = pd.DataFrame({"x": [0.5, 3, 7, np.nan, -2], "y": [0.0, 1, 2, 3, 4]})
    ranges: Ranges = {"x": {"low": 1, "high": 5}, "y": {"low": 0, "high": 4}, "gone": {"low": 0, "high": 1}}
    matrix = of_matrix(frame.to_numpy(), ["x", "y"])
    assert look(matrix, ranges, 5, 3) == look(of_frame(frame, make_bins(frame)), ranges, 5, 3)
    assert look(matrix, {}, 5).features == {}


def test_the_extremes_of_training_are_inside_in_float32_too() -> None:
    values = np.array([[0.1], [0.7], [16777217.0]])
    ranges = _ranges(pd.DataFrame(values, columns=["x"]))
    found = look(of_matrix(values.astype(np.float32), ["x"]), ranges, 3)
    assert found.features["x"] == {"rows": 3, "below": 0, "above": 0}


def test_the_margin_holds_for_what_is_sampled_and_is_nothing_for_what_is_looked_at_whole() -> None:
    assert Beyond().margin(0.5) == Beyond(100, 100).margin(0.5) == 0
    rows, weight = sampled(1_000_000)
    one = Beyond(len(rows) * weight, len(rows) * weight**2)
    assert one.sample == len(rows)
    assert one.margin(0.5) == pytest.approx(1.96 * (0.25 / len(rows)) ** 0.5, rel=0.001)
    four = one + one + one + one
    assert four.margin(0.5) == pytest.approx(one.margin(0.5) / 2)
    assert (one + Beyond(5000, 5000)).sample < len(rows) + 100, "few rows with small weights add little"


def test_the_margin_is_true_of_95_in_100_samples() -> None:
    chance = np.random.default_rng(7)
    ranges: Ranges = {"x": {"low": 0, "high": 1}}
    within = 0
    for _ in range(200):
        values = chance.random((60_000, 1)) / 0.9  # a tenth lies above 1
        rows, weight = sampled(len(values))
        found = look(of_matrix(values[rows], ["x"]), ranges, len(rows), weight)
        share = found.features["x"]["above"] / found.features["x"]["rows"]
        within += abs(share - (values > 1).mean()) <= found.margin(share)
    assert 180 <= within <= 199
