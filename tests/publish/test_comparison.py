"""A comparison of a run: partitions added up, the worst first, as JSON that any reader takes."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.publish.comparison import MOST_SHOWN, ColumnComparison, Comparison, PartitionComparison, Row
from airflow_batchscore.quality.agreements import Agreements
from airflow_batchscore.quality.differences import Differences

pytestmark = pytest.mark.unit

CHAMPION, CHALLENGER = ModelRef("/m/v1", "d" * 64), ModelRef("/m/v2", "e" * 64)


def numbers(*apart: float, alone: int = 0) -> ColumnComparison:
    """A column whose champion is 0 everywhere."""
    rows = [Row("p=1", n, {"id": str(n)}, "0.0", str(x), abs(x)) for n, x in enumerate(apart)]
    zeros = np.zeros(len(apart))
    worst = sorted(rows, key=lambda row: -row.apart)[:MOST_SHOWN]
    return ColumnComparison(None, Differences.of(zeros, np.array(apart), alone), worst)


def classes(*pairs: str) -> ColumnComparison:
    """A column of classes: ``"ab"`` is champion a, challenger b."""
    ours, theirs = (pa.chunked_array([[pair[place] for pair in pairs]], pa.string()) for place in (0, 1))
    return ColumnComparison(Agreements.of(ours, theirs))


def compared(**partitions: ColumnComparison) -> Comparison:
    """Of partitions with one column each."""
    several = [
        PartitionComparison(f"p={name}", {"x": column}, compared=(column.agreements or column.differences).rows)  # type: ignore[union-attr]
        for name, column in partitions.items()
    ]
    total = PartitionComparison("")
    for each in several:
        total += each
    return Comparison(CHAMPION, CHALLENGER, total, several, {})


def test_the_partitions_and_the_rows_that_disagree_most_come_first() -> None:
    found = compared(a=numbers(0.1, 0.2), b=numbers(5.0, -7.0), c=numbers(*[0.0] * 3)).to_dict()
    assert [each["partition"] for each in found["partitions"]] == ["p=b", "p=a", "p=c"]
    assert [row["apart"] for row in found["columns"]["x"]["rows"]] == [7.0, 5.0, 0.2, 0.1, 0.0, 0.0, 0.0]
    assert found["columns"]["x"]["largest"] == 7.0
    assert found["compared"] == 7
    found = compared(a=classes("xx", "xy"), b=classes("xy", "yx"), c=classes("xx")).to_dict()
    assert [each["partition"] for each in found["partitions"]] == ["p=b", "p=a", "p=c"]
    assert found["columns"]["x"]["agreement"] == 2 / 5
    assert (found["columns"]["x"]["classes"], found["columns"]["x"]["confusion"]) == (["x", "y"], [[2, 2], [1, 0]])


def test_no_more_are_kept_than_are_shown() -> None:
    found = compared(**{str(n): numbers(*np.arange(1.0, 20.0) * n) for n in range(1, 31)}).to_dict()
    assert [each["partition"] for each in found["partitions"]] == [f"p={n}" for n in range(30, 30 - MOST_SHOWN, -1)]
    assert len(found["columns"]["x"]["rows"]) == MOST_SHOWN
    assert found["partitions_in_all"] == 30


def test_what_is_unbounded_is_none_in_json() -> None:
    found = compared(a=numbers(0.5, float("inf"), alone=2)).to_dict()
    json.dumps(found, allow_nan=False)
    column = found["columns"]["x"]
    assert (column["mean_size"], column["largest"], column["sizes"]["p99"]) == (None, None, None)
    assert column["quantiles"]["p50"] == pytest.approx(0.5, rel=0.011)
    assert column["rows"][0]["apart"] is None


def test_a_problem_is_named_with_its_partition() -> None:
    whole = compared(a=numbers(0.5))
    broken = [*whole.partitions, PartitionComparison("p=b", problem="it broke")]
    found = Comparison(CHAMPION, CHALLENGER, whole.total, broken, {"y": "no"})
    assert found.problems == {"p=b": "it broke"}
    shown = found.to_dict()
    assert (shown["partitions_compared"], shown["partitions_in_all"], shown["left_out"]) == (1, 2, {"y": "no"})


def test_a_column_without_rows_has_no_sizes() -> None:
    assert ColumnComparison(None, Differences()).figures() == {}
